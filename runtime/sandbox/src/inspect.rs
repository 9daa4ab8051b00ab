//! The checks on a component before any of it is compiled, and the removal of parts that the compiler must not see.
//! Pure.
//!
//! Nothing outside the compiler can bound its time and memory, and a small valid file can ask for a lot of both. So the
//! shapes that are known to be costly are refused first: this module reads each byte once and keeps nothing. It also
//! removes custom sections, those of nested modules and components too: debug information is neither kept in memory nor
//! parsed. Only the names of functions stay, for traces.

use wasm_encoder::{Component, ComponentSectionId, Encode as _, Module, RawSection, Section as _};
use wasmparser::{BlockType, Encoding, FunctionBody, Operator, Parser, Payload};

/// The most bytes of a `.wasm`.
pub const MOST_FILE_BYTES: u64 = 64 << 20;

/// How deep modules and components may nest. Tools that compose components nest two or three deep.
const NESTING: usize = 8;

/// The most modules and components in one file.
const PARTS: usize = 200;

// The limits below are several times what the largest components known to work have: Python (18 MB, 13,000 functions,
// 16,000 branches in one of them) and JavaScript on SpiderMonkey (12 MB, 400 loops in one function).

/// The most functions over all modules.
const FUNCTIONS: usize = 50_000;

/// The most local variables of one function, parameters not counted.
const LOCALS: u64 = 10_000;

/// The most branches and targets of branches in one function, and the most of their squares in all.
const BRANCHES: u64 = 50_000;
const ALL_BRANCHES_SQUARED: u64 = 5_000_000_000;

/// The most loops in one function, and the most of their squares in all. The compiler's time grows with the square of a
/// function's loops, each of which asks for fuel and for the time.
const LOOPS: u64 = 4_000;
const ALL_LOOPS_SQUARED: u64 = 50_000_000;

/// The most branches times local variables in one function, and in all. The compiler's time grows with this product.
const BRANCHES_BY_LOCALS: u64 = 2_000_000;
const ALL_BRANCHES_BY_LOCALS: u64 = 30_000_000;

/// The most bytes of component types, and the most functions that cross from one component to another. For each of
/// these functions, the compiler makes an adapter as large as its types.
const TYPE_BYTES: usize = 256 << 10;
const CANONICAL_FUNCTIONS: usize = 2_000;

/// The most bytes of one module's names.
const NAME_SECTION_BYTES: usize = 16 << 20;

/// Why a component is not even compiled.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Objection {
    /// It cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// It is larger, in some respect, than the host compiles.
    #[error("{what}: {found}, and this host compiles at most {most}")]
    TooLarge {
        /// The respect in which it is too large.
        what: &'static str,
        /// How large it is.
        found: u64,
        /// How large it may be.
        most: u64,
    },
}

/// Returns the component without its custom sections except `name`, if it is small and plain enough to be compiled.
pub(crate) fn inspect(wasm: &[u8]) -> Result<Vec<u8>, Objection> {
    let mut stripped = Vec::with_capacity(wasm.len());
    let mut outer = Vec::new();
    let mut counted = Counted::default();
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(|error| Objection::Malformed(error.to_string()))?;
        match &payload {
            Payload::Version { encoding, .. } => {
                stripped.extend_from_slice(match encoding {
                    Encoding::Component => &Component::HEADER,
                    Encoding::Module => &Module::HEADER,
                });
            }
            Payload::ModuleSection { unchecked_range, .. } | Payload::ComponentSection { unchecked_range, .. } => {
                // The parser takes the end of the file for the end of the part that it is in.
                if unchecked_range.end > wasm.len() {
                    return Err(cut_off());
                }
                outer.push(std::mem::take(&mut stripped));
                at_most("levels of nested components", outer.len(), NESTING)?;
                continue;
            }
            Payload::End(_) => {
                let Some(parent) = outer.pop() else { break };
                stripped = close(parent, &stripped);
                continue;
            }
            Payload::CustomSection(section) if !is_kept(section.name(), section.data().len()) => continue,
            _ => {}
        }
        counted.count(&payload)?;
        if let Some((id, range)) = payload.as_section() {
            // If the file is cut off within a function, the section claims to be longer than the file.
            let data = wasm.get(range).ok_or_else(cut_off)?;
            RawSection { id, data }.append_to(&mut stripped);
        }
    }
    Ok(stripped)
}

/// The counts over the whole file.
#[derive(Default)]
struct Counted {
    parts: usize,
    functions: usize,
    type_bytes: usize,
    canonical_functions: usize,
    branches_squared: u64,
    branches_by_locals: u64,
    loops_squared: u64,
}

impl Counted {
    fn count(&mut self, payload: &Payload<'_>) -> Result<(), Objection> {
        match payload {
            Payload::Version { .. } => {
                self.parts += 1;
                at_most("modules and components", self.parts, PARTS)
            }
            Payload::FunctionSection(section) => {
                self.functions += section.count() as usize;
                at_most("functions", self.functions, FUNCTIONS)
            }
            Payload::ComponentTypeSection(section) => {
                self.type_bytes += section.range().len();
                at_most("bytes of component types", self.type_bytes, TYPE_BYTES)
            }
            Payload::ComponentCanonicalSection(section) => {
                self.canonical_functions += section.count() as usize;
                at_most("functions between components", self.canonical_functions, CANONICAL_FUNCTIONS)
            }
            Payload::CodeSectionEntry(body) => {
                let Body { locals, branches, loops } = check_body(body)?;
                self.branches_squared += branches * branches;
                self.branches_by_locals += branches * locals;
                self.loops_squared += loops * loops;
                at_most_of("squares of branches", self.branches_squared, ALL_BRANCHES_SQUARED)?;
                at_most_of("squares of loops", self.loops_squared, ALL_LOOPS_SQUARED)?;
                at_most_of("branches times local variables", self.branches_by_locals, ALL_BRANCHES_BY_LOCALS)
            }
            _ => Ok(()),
        }
    }
}

fn cut_off() -> Objection {
    Objection::Malformed("the file is cut off".to_owned())
}

fn is_kept(section: &str, bytes: usize) -> bool {
    section == "name" && bytes <= NAME_SECTION_BYTES
}

/// Puts a nested module or component into its parent.
fn close(mut parent: Vec<u8>, nested: &[u8]) -> Vec<u8> {
    let is_component = nested.starts_with(&Component::HEADER);
    let id = if is_component { ComponentSectionId::Component } else { ComponentSectionId::CoreModule };
    parent.push(id.into());
    nested.encode(&mut parent);
    parent
}

fn at_most(what: &'static str, found: usize, most: usize) -> Result<(), Objection> {
    at_most_of(what, found as u64, most as u64)
}

fn at_most_of(what: &'static str, found: u64, most: u64) -> Result<(), Objection> {
    if found <= most { Ok(()) } else { Err(Objection::TooLarge { what, found, most }) }
}

/// The counts of one function.
struct Body {
    locals: u64,
    branches: u64,
    loops: u64,
}

/// Counts one function, and refuses it if a count is too large.
fn check_body(body: &FunctionBody<'_>) -> Result<Body, Objection> {
    let malformed = |error: wasmparser::BinaryReaderError| Objection::Malformed(error.to_string());
    let mut locals = 0;
    for local in body.get_locals_reader().map_err(malformed)? {
        locals += u64::from(local.map_err(malformed)?.0);
    }
    at_most_of("local variables of one function", locals, LOCALS)?;
    let (mut branches, mut loops) = (0, 0);
    for operator in body.get_operators_reader().map_err(malformed)? {
        let operator = operator.map_err(malformed)?;
        branches += branches_of(&operator);
        loops += u64::from(matches!(operator, Operator::Loop { .. }));
    }
    at_most_of("loops of one function", loops, LOOPS)?;
    at_most_of("branches of one function", branches, BRANCHES)?;
    at_most_of("branches times local variables of one function", branches * locals, BRANCHES_BY_LOCALS)?;
    Ok(Body { locals, branches, loops })
}

/// Returns how many edges an operator adds to the function's graph.
fn branches_of(operator: &Operator<'_>) -> u64 {
    match operator {
        Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => {
            // The results of a block are variables of its end.
            if matches!(blockty, BlockType::FuncType(_)) { 4 } else { 1 }
        }
        Operator::Else | Operator::Br { .. } | Operator::BrIf { .. } => 1,
        Operator::BrTable { targets } => u64::from(targets.len()) + 1,
        _ => 0,
    }
}

#[cfg(test)]
#[path = "inspect_test.rs"]
mod tests;
