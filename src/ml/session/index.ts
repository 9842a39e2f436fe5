/** Running graphs: in this thread, or in a place of their own. */
export * from './compiled-url.js'
export * from './evaluate.js'
export * from './graph-service.js'
export * from './runtime.js'
export * from './service.js'
export * from './service-host.js'
export * from './session.js'
