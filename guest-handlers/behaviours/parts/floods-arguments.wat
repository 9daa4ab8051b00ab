;; Asks for its arguments without end, each answer being an allocation. Stopped by the limit of calls of the host.
;; @top
(import "wasi" "arguments" (func $arguments (param i32)))
;; @handle
(loop $again (call $arguments (i32.const 64)) (br $again))
