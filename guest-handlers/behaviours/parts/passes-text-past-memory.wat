;; Passes a text that ends beyond its memory. A trap.
;; @top
(import "log" "log" (func $log (param i32 i32 i32 i32 i32 i32)))
;; @handle
(call $log (i32.const 2) (i32.const 131000) (i32.const 100000) (i32.const 0) (i32.const 0) (i32.const 0))
