;; Reads a clock of WASI without end. Stopped by the limit of calls of the host.
;; @top
(import "wasi" "monotonic" (func $monotonic (result i64)))
;; @handle
(loop $again (drop (call $monotonic)) (br $again))
