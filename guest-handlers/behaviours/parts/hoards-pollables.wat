;; Keeps pollables without end. Stopped by the limit of handles.
;; @top
(import "wasi" "subscribe" (func $subscribe (param i64) (result i32)))
;; @handle
(loop $again (drop (call $subscribe (i64.const 1000000000))) (br $again))
