//! Which of MongoDB's expressions are allowed.

/// Which of MongoDB's expressions a handler may use, in `$expr` and in pipeline updates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Expressions {
    /// Those that read their arguments once, and only so many that a document is read 1,000 times at most. MongoDB
    /// before 8.1 cannot interrupt the others.
    #[default]
    Safe,
    /// All that depend on nothing but their arguments.
    All,
}
