//! `src/db/schema.rs` is what the migrations make of an empty database. `make schema` writes it anew.

use std::{collections::BTreeMap, env, fmt::Write as _, fs, path::PathBuf};

use tokio_postgres::{Client, NoTls};

use crate::support::cluster::fresh_database;

/// Tables that the migrations' own bookkeeping makes.
const NOT_OURS: &[&str] = &["__diesel_schema_migrations"];

#[tokio::test]
async fn the_schema_file_is_what_the_migrations_make() {
    let database = fresh_database().await;
    let (client, connection) = tokio_postgres::connect(&database.owner_url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let made = schema(&client).await;
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/db/schema.rs");
    if env::var_os("CLAVIGER_WRITE_SCHEMA").is_some() {
        fs::write(&path, &made).unwrap();
    }
    let kept = fs::read_to_string(&path).unwrap();
    assert!(
        kept == made,
        "the migrations make another schema than src/db/schema.rs says; `make schema` writes it:\n{made}"
    );
}

async fn schema(client: &Client) -> String {
    let mut tables: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for row in client
        .query(
            "SELECT table_name::text, column_name::text, udt_name::text, is_nullable = 'YES'
             FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
             WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
             ORDER BY table_name, ordinal_position",
            &[],
        )
        .await
        .unwrap()
    {
        let (table, column, of_type): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        if NOT_OURS.contains(&table.as_str()) {
            continue;
        }
        let of_type = diesel_type(&table, &column, &of_type);
        let of_type = if row.get(3) {
            format!("Nullable<{of_type}>")
        } else {
            of_type.to_owned()
        };
        tables.entry(table).or_default().push((column, of_type));
    }
    let mut keys: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in client
        .query(
            "SELECT table_name::text, column_name::text
             FROM information_schema.table_constraints
             JOIN information_schema.key_column_usage USING (constraint_schema, constraint_name, table_name)
             WHERE constraint_type = 'PRIMARY KEY' AND constraint_schema = 'public'
             ORDER BY table_name, ordinal_position",
            &[],
        )
        .await
        .unwrap()
    {
        keys.entry(row.get(0)).or_default().push(row.get(1));
    }
    let mut text = write(&tables, &keys);
    text.push('\n');
    for row in client
        .query(
            "SELECT con.conrelid::regclass::text, con.confrelid::regclass::text, column_name.attname::text
             FROM pg_constraint con
             JOIN pg_attribute column_name
               ON column_name.attrelid = con.conrelid AND column_name.attnum = con.conkey[1]
             WHERE con.contype = 'f' AND con.connamespace = 'public'::regnamespace
             ORDER BY 1, 2",
            &[],
        )
        .await
        .unwrap()
    {
        let (child, parent, column): (String, String, String) = (row.get(0), row.get(1), row.get(2));
        writeln!(text, "diesel::joinable!({child} -> {parent} ({column}));").unwrap();
    }
    text.push_str("\ndiesel::allow_tables_to_appear_in_same_query!(\n");
    for table in tables.keys() {
        writeln!(text, "    {table},").unwrap();
    }
    text.push_str(");\n");
    text
}

fn write(tables: &BTreeMap<String, Vec<(String, String)>>, keys: &BTreeMap<String, Vec<String>>) -> String {
    let mut text = String::from("// Made from the migrations by `make schema`.\n");
    for (table, columns) in tables {
        let key = keys
            .get(table)
            .unwrap_or_else(|| panic!("{table} has no primary key"))
            .join(", ");
        writeln!(text, "\ndiesel::table! {{\n    {table} ({key}) {{").unwrap();
        for (column, of_type) in columns {
            writeln!(text, "        {column} -> {of_type},").unwrap();
        }
        text.push_str("    }\n}\n");
    }
    text
}

fn diesel_type(table: &str, column: &str, of_type: &str) -> &'static str {
    match of_type {
        "uuid" => "Uuid",
        "text" => "Text",
        "bytea" => "Binary",
        "bool" => "Bool",
        "int2" => "SmallInt",
        "int4" => "Integer",
        "int8" => "BigInt",
        "jsonb" => "Jsonb",
        "timestamptz" => "Timestamptz",
        // No element of ours is ever null; the migration checks that.
        "_text" => "Array<Text>",
        other => panic!("{table}.{column}: no diesel type is known here for {other}"),
    }
}
