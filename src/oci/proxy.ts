import { ProviderError } from '../model/error.ts'

interface Proxies {
  readonly httpProxy: string
  readonly httpsProxy: string
  readonly noProxy: string
}

/** Like Go's clients, and unlike curl: what is on this machine is never asked through a proxy. */
const loopback = ['localhost', '127.0.0.1', '::1']

/**
 * The proxies of the environment, as every client has them: lower case before upper case, a scheme may be missing.
 *
 * @throws ProviderError BAD_INPUT that does not hold the value, in which a password may be
 */
export function proxiesOf(env: NodeJS.ProcessEnv): Proxies {
  return {
    httpProxy: proxyIn(env, 'http_proxy'),
    httpsProxy: proxyIn(env, 'https_proxy'),
    noProxy: [env['no_proxy'] ?? env['NO_PROXY'] ?? '', ...loopback].join(','),
  }
}

function proxyIn(env: NodeJS.ProcessEnv, name: string): string {
  const value = env[name] ?? env[name.toUpperCase()] ?? ''
  if (value === '') return ''
  const text = /^[a-z][a-z0-9+.-]*:\/\//i.test(value) ? value : `http://${value}`
  if (URL.canParse(text) && /^(?:https?|socks5?):$/.test(new URL(text).protocol)) return text
  throw new ProviderError(
    'BAD_INPUT',
    `Cannot use the proxy in ${name.toUpperCase()}: it is no URL; expected one as in http://proxy.example.com:3128`,
  )
}
