;; Overwrites the same memory without end, by instructions that each do much. Stopped by fuel.
;; @handle
(loop $again
  (memory.fill (i32.const 65536) (i32.const 7) (i32.const 65536))
  (br $again))
