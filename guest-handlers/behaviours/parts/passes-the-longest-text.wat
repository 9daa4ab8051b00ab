;; Passes a text of four gigabytes. A trap, or the boundary.
;; @top
(import "log" "log" (func $log (param i32 i32 i32 i32 i32 i32)))
;; @handle
(call $log (i32.const 2) (i32.const -1) (i32.const -1) (i32.const 0) (i32.const 0) (i32.const 0))
