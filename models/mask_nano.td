# mask.td made small: 4 layers of width 128 on windows of 64 characters, 0.8M parameters.
# The tests train it.
#
#   tdc train models/mask_nano.td
#   tdc sample models/mask_nano.td --prompt 'ROMEO: '
use "mask.td" with L = 64, D = 128, H = 4, updates = 2000
