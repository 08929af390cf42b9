//! An act and its record as one statement.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, QueryFragment, QueryId},
};

/// An act that returns its rows, and the insertion of its record. The database commits both or neither, and it takes
/// one message where a transaction takes four. Executed, it counts the rows of the act.
pub struct Together<A, R> {
    pub act: A,
    pub record: R,
}

impl Together<(), ()> {
    /// The condition of the record: that the act did anything.
    pub const IF_DONE: &'static str = "EXISTS (SELECT FROM act)";
}

impl<A: QueryFragment<Pg>, R: QueryFragment<Pg>> QueryFragment<Pg> for Together<A, R> {
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        pass.push_sql("WITH act AS (");
        self.act.walk_ast(pass.reborrow())?;
        pass.push_sql("), record AS (");
        self.record.walk_ast(pass.reborrow())?;
        pass.push_sql(") SELECT FROM act");
        Ok(())
    }
}

impl<A, R> QueryId for Together<A, R> {
    /// Its text is its key: each connection prepares it once by that.
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}
