# Parentheses only where they are needed.
const a = ((1 + 2)) * 3, b = (1 * 2) + 3, c = 1 - (2 - 3), d = (1 - 2) - 3, e = (2^3)^4, f = 2^(3^4)
const g = -(x^2), h = (-x)^2, i = -(-x), j = !(a && b), k = (!a) && b, l = 2^(-1), m = (a < b) == (c < d)
const n = a ? (b ? c : d) : (e ? f : g), o = (a ? b : c) ? d : e, p = (a || b) && c, q = a || (b && c)
const r = (a / b) / c, s = a / (b / c), t = (a + b)[i], u = (3).x, v = (a % b) * c, w = (-a) * b, x = -(a * b)
const y = ((a)), z = f((a), b = (c)), aa = x[(i + 1) * 2], bb = (a < b) < c, cc = a == (b == c)
const dd = x[i in 0:(n + 1), (j ? 0 : 1) else (2)], ee = sum[i in (a ? b : c):d](-x[i]), ff = a^-b^c
#= # Parentheses only where they are needed.
#= const a = (1 + 2) * 3, b = 1 * 2 + 3, c = 1 - (2 - 3), d = 1 - 2 - 3, e = (2^3)^4, f = 2^3^4
#= const g = -x^2, h = (-x)^2, i = --x, j = !(a && b), k = !a && b, l = 2^-1, m = a < b == c < d
#= const n = a ? (b ? c : d) : e ? f : g, o = (a ? b : c) ? d : e, p = (a || b) && c, q = a || (b && c)
#= const r = a / b / c, s = a / (b / c), t = (a + b)[i], u = (3).x, v = a % b * c, w = -a * b, x = -(a * b)
#= const y = a, z = f(a, b = c), aa = x[(i+1)*2], bb = (a < b) < c, cc = a == (b == c)
#= const dd = x[i in 0:n+1, j ? 0 : 1 else 2], ee = sum[i in (a ? b : c):d](-x[i]), ff = a^-b^c
