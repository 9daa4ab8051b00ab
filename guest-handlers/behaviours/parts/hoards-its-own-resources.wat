;; Keeps resources of its own without end. Stopped by the limit of handles.
;; @top
(import "own" "new" (func $new (param i32) (result i32)))
(import "own" "drop" (func $drop (param i32)))
;; @handle
(loop $again (drop (call $new (i32.const 1))) (br $again))
