# gpt.td made small: 4 layers of width 128 on windows of 64 characters, 0.8M parameters, the
# size of nanoGPT's small CPU setting. The tests train it.
#
#   tdc train models/gpt_nano.td
#   tdc sample models/gpt_nano.td --prompt 'ROMEO: '
use "gpt.td" with L = 64, D = 128, H = 4, updates = 2000
