;; Drops a handle that it has dropped before. A trap.
;; @top
(import "own" "new" (func $new (param i32) (result i32)))
(import "own" "drop" (func $drop (param i32)))
;; @handle
(local $handle i32)
(local.set $handle (call $new (i32.const 1)))
(call $drop (local.get $handle))
(call $drop (local.get $handle))
