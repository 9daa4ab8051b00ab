//! MongoDB's error codes by their names, and what some of them have in common. Pure.
//!
//! The names are those of <https://github.com/mongodb/mongo/blob/master/src/mongo/base/error_codes.yml>.

/// The user may log in, but not do this.
pub(super) const UNAUTHORIZED: i32 = 13;
pub(super) const NAMESPACE_EXISTS: i32 = 48;
/// Another transaction was faster.
pub(super) const WRITE_CONFLICT: i32 = 112;
/// A reply or a command is larger than MongoDB allows.
pub(super) const BSON_OBJECT_TOO_LARGE: i32 = 10_334;
pub(super) const DUPLICATE_KEY: i32 = 11_000;

const MAX_TIME_MS_EXPIRED: i32 = 50;
const TRANSACTION_TOO_LARGE: i32 = 257;
const EXCEEDED_TIME_LIMIT: i32 = 262;
const TRANSACTION_EXCEEDED_LIFETIME_LIMIT: i32 = 290;
const TRANSACTION_TOO_LARGE_FOR_CACHE: i32 = 388;
/// An update would make a document larger than 16 MiB. It has no name.
const DOCUMENT_TOO_LARGE: i32 = 17_420;
/// `WiredTiger` rolls back a transaction that does not fit into its cache.
const WT_ROLLBACK: i32 = -31_800;

/// Returns whether a command, or the transaction around it, has run out of time.
pub(super) fn is_over_time(code: i32) -> bool {
    [MAX_TIME_MS_EXPIRED, EXCEEDED_TIME_LIMIT, TRANSACTION_EXCEEDED_LIFETIME_LIMIT].contains(&code)
}

/// Returns whether a document, a command or a reply is larger than 16 MiB. In a statement's error, that statement is at fault.
pub(super) fn is_oversized_document(code: i32) -> bool {
    [BSON_OBJECT_TOO_LARGE, DOCUMENT_TOO_LARGE].contains(&code)
}

/// Returns whether a transaction is larger than the oplog or the cache allows.
pub(super) fn is_oversized_transaction(code: i32) -> bool {
    [TRANSACTION_TOO_LARGE, TRANSACTION_TOO_LARGE_FOR_CACHE].contains(&code)
}

/// Returns whether a commit failed because of another transaction or of the cache, which both may pass.
#[must_use]
pub fn is_conflict_of_commit(code: i32) -> bool {
    [WRITE_CONFLICT, WT_ROLLBACK].contains(&code)
}

/// Returns whether the code describes the server's state and not the command: codes that drivers may retry, codes of time
/// limits, and codes of interruptions, such as by a claim that ends a predecessor's sessions.
pub(super) fn is_passing(code: i32) -> bool {
    const CODES: [i32; 32] = [
        6, 7, 24, 43, 46, 50, 89, 91, 112, 134, 150, 189, 202, 225, 246, 251, 262, 279, 290, 317, 355, 365, 371, 9001,
        10107, 11600, 11601, 11602, 13435, 13436, 14031, 46841,
    ];
    CODES.contains(&code)
}
