;; Calls the host from within its allocator, while the host hands it the event. A trap.
;; @own-realloc
;; @top
(import "log" "log" (func $log (param i32 i32 i32 i32 i32 i32)))
(func (export "realloc") (param i32 i32 i32 i32) (result i32)
  (call $log (i32.const 2) (i32.const 4096) (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 0))
  (i32.const 65536))
