;; Logs bytes that are not UTF-8. A trap.
;; @top
(import "log" "log" (func $log (param i32 i32 i32 i32 i32 i32)))
(data (i32.const 4096) "\ff\fe\80")
;; @handle
(call $log (i32.const 2) (i32.const 4096) (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 0))
