;; Has a function of 60,000 loops, which takes the compiler minutes. Refused at load.
;; @top
(func {repeat 60000 (loop) })
