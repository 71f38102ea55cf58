const  a='a',b = '\n', c='\'',  d = '"', e = "'\"", f='\\', g='\xc3\xa9', h = '\x07'
op f(x: id<V>[b]) -> y[b] = x[b]=='a'||x[b] == ' '?1:w['b']
#= const a = 'a', b = '\n', c = '\'', d = '"', e = "'\"", f = '\\', g = 'é', h = '\x07'
#= op f(x: id<V>[b]) -> y[b] = x[b] == 'a' || x[b] == ' ' ? 1 : w['b']
