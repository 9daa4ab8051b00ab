;; Traps in its allocator. A trap.
;; @own-realloc
;; @top
(func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable)
