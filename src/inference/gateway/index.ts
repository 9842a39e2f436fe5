/**
 * An OpenAI-compatible HTTP server over a source of jobs.
 *
 *     const gateway = await Gateway.start({ host: '127.0.0.1', port: 4030 }, { source, log })
 *     new OpenAI({ baseURL: `${gateway.url}/v1`, apiKey: '...' })
 *     await gateway.stop()
 *
 * docs/gateway.md lists its routes and limits.
 */
export { isHostName, isLoopbackName, originOf } from './access.js'
export { ApiKeys, parseApiKeys, readApiKeys, readPrivateFile } from './api-keys.js'
export { Gateway, type GatewayModules, type GatewayOptions } from './gateway.js'
export { DEFAULT_LIMITS, type GatewayLimits, heldBytesFor } from './limits.js'
export { ANY_MODEL } from './model-choice.js'
