;; Passes an option that is neither there nor absent. A trap.
;; @top
(import "log" "log" (func $log (param i32 i32 i32 i32 i32 i32)))
;; @handle
(call $log (i32.const 2) (i32.const 4096) (i32.const 3) (i32.const 9) (i32.const 0) (i32.const 0))
