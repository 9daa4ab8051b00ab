;; Has a function of 60,000 branches. Refused at load.
;; @top
(func (param i32) {repeat 60000 (block (br_if 0 (local.get 0))) })
