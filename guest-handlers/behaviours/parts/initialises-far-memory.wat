;; Has a segment of data at the end of a memory of a gigabyte. Refused at load.
;; @top
(memory $far 16384)
(data (memory $far) (i32.const 1073741820) "far")
