;; Its allocator gives an address that is not aligned. A trap.
;; @own-realloc
;; @top
(func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65537))
