//! Families of a handler's own code: it takes too much, says too much, or breaks the rules of components. Each must
//! meet what docs/security.md and the sandbox's limits in docs/configuration.md promise.

use super::kind::{End, Family, case, family, kind};

const BOUNDARY: End = End::Dead("boundary");
const HANDLES: End = End::Dead("handles");
const TRAP: End = End::Dead("trap");
const FUEL: End = End::Dead("fuel");
const MEMORY: End = End::Dead("memory");
const TABLE: End = End::Dead("table");
const STACK: End = End::Dead("stack");
const HOST_CALLS: End = End::Dead("host-calls");
const LIMIT: End = End::Dead("limit");
const REJECT: End = End::Dead("reject");
const DROPPED: End = End::CommittedWithLinesDropped;

pub(super) const FAMILIES: &[Family] = &[
    family("cpu", &[kind("spins", FUEL, 8), kind("fills-memory", FUEL, 8), kind("sleeps", End::Dead("deadline"), 1)]),
    family("memory", &[kind("grows-memory", MEMORY, 10), kind("grows-many-memories", MEMORY, 8)]),
    family("tables", &[kind("grows-table", TABLE, 20), kind("grows-many-tables", TABLE, 8)]),
    family("stack", &[kind("recurses", STACK, 20), kind("recurses-through-a-table", STACK, 8)]),
    family(
        "host calls",
        &[
            kind("floods-host-calls", HOST_CALLS, 8),
            kind("floods-wasi", HOST_CALLS, 8),
            kind("floods-arguments", HOST_CALLS, 8),
        ],
    ),
    family(
        "logs",
        &[
            kind("floods-log", DROPPED, 8),
            case("floods-log", "host-calls", r#"{"lines": 20000}"#, HOST_CALLS, 8),
            kind("logs-nothing", DROPPED, 8),
            kind("logs-nul", DROPPED, 8),
        ],
    ),
    family(
        "stdout",
        &[
            kind("fills-stdout", DROPPED, 8),
            kind("prints-newlines", DROPPED, 4),
            kind("prints-past-the-permit", TRAP, 8),
        ],
    ),
    family(
        "boundary size",
        &[
            case("giant-strings", "document", r#"{"place": "document"}"#, BOUNDARY, 4),
            case("giant-strings", "log", r#"{"place": "log"}"#, BOUNDARY, 4),
            case("giant-strings", "failure", r#"{"place": "failure"}"#, BOUNDARY, 4),
            kind("asks-for-random-bytes", End::Dead("random"), 8),
            case("many-writes", "too-many", r#"{"writes": 1001}"#, LIMIT, 4),
            case("passes-options", "hint", "{}", LIMIT, 2),
            case("passes-options", "projection", r#"{"option": "projection"}"#, LIMIT, 2),
        ],
    ),
    family(
        "list aliasing",
        &[
            kind("overlapping-lists", BOUNDARY, 8),
            case("overlapping-lists", "small", r#"{"count": 2500000, "bytes": 0}"#, BOUNDARY, 4),
            kind("polls-one-thing", HANDLES, 8),
        ],
    ),
    family("reentrancy", &[kind("calls-out-of-realloc", TRAP, 8), kind("calls-out-of-post-return", TRAP, 8)]),
    family(
        "start and describe",
        &[kind("spins-at-start", FUEL, 8), kind("writes-at-start", End::Committed, 8), kind("traps-at-start", TRAP, 8)],
    ),
    family("initialisation", &[kind("fills-tables-at-start", End::Committed, 8), kind("copies-elements", FUEL, 8)]),
    family(
        "resource handles",
        &[
            kind("hoards-pollables", HANDLES, 8),
            kind("hoards-its-own-resources", HANDLES, 8),
            kind("drops-a-handle-twice", TRAP, 8),
            kind("guesses-a-handle", TRAP, 8),
            kind("takes-one-handle-for-another", TRAP, 8),
        ],
    ),
    family(
        "traps in realloc",
        &[
            kind("traps-in-realloc", TRAP, 8),
            kind("allocates-nowhere", TRAP, 8),
            kind("allocates-askew", TRAP, 8),
            kind("spins-in-realloc", FUEL, 8),
        ],
    ),
    family(
        "invalid values",
        &[
            kind("logs-no-utf8", TRAP, 8),
            kind("logs-at-no-level", TRAP, 8),
            kind("passes-no-option", TRAP, 8),
            kind("passes-text-past-memory", TRAP, 8),
            kind("passes-the-longest-text", TRAP, 8),
            kind("returns-no-result", TRAP, 8),
            kind("returns-no-action", TRAP, 8),
        ],
    ),
    family(
        "debug sections and names",
        &[
            kind("nests-debug-information", TRAP, 8),
            kind("repeats-a-debug-name", TRAP, 8),
            kind("mangles-a-name", TRAP, 8),
            kind("has-long-names", TRAP, 8),
            kind("panics", TRAP, 30),
        ],
    ),
    family(
        "giant failures",
        &[
            kind("fails-at-length", REJECT, 4),
            case("giant-strings", "rejects", r#"{"place": "failure", "bytes": 15000000}"#, REJECT, 4),
        ],
    ),
    family("residue", &[kind("leaves-residue", End::Committed, 8), kind("looks-for-residue", End::Committed, 8)]),
    family(
        "what is allowed",
        &[
            kind("many-writes", End::Committed, 2),
            kind("effect-of", End::Committed, 4),
            kind("reads-own-write", End::Committed, 4),
            kind("reads-then-writes", End::Committed, 10),
            kind("retries", End::Dead("retry"), 20),
            kind("rejects", REJECT, 20),
            kind("skips", End::Skipped, 20),
        ],
    ),
];
