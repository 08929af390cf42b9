//! An act and its record as one statement.

use diesel::{
    QueryResult,
    pg::Pg,
    query_builder::{AstPass, QueryFragment, QueryId},
};

/// An act that returns its rows, the insertion of its record, and further named parts, which see the rows as `act`. The
/// database commits all or nothing, and it takes one message where a transaction takes four. Executed, it counts the rows
/// of the act.
pub struct Together<A, R, M> {
    pub act: A,
    pub record: R,
    pub more: M,
}

impl Together<(), (), ()> {
    /// The condition of the record: that the act did anything.
    pub const IF_DONE: &'static str = "EXISTS (SELECT FROM act)";
}

impl<A: QueryFragment<Pg>, R: QueryFragment<Pg>, M: QueryFragment<Pg>> QueryFragment<Pg>
    for Together<A, R, M>
{
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        pass.push_sql("WITH act AS (");
        self.act.walk_ast(pass.reborrow())?;
        pass.push_sql("), record AS (");
        self.record.walk_ast(pass.reborrow())?;
        pass.push_sql("), ");
        self.more.walk_ast(pass.reborrow())?;
        pass.push_sql(" SELECT FROM act");
        Ok(())
    }
}

impl<A, R, M> QueryId for Together<A, R, M> {
    /// Its text is its key: each connection prepares it once by that.
    type QueryId = ();

    const HAS_STATIC_QUERY_ID: bool = false;
}
