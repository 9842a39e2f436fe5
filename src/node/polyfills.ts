/**
 * `Promise.withResolvers` for Node 20: libp2p 3.3 calls it. Import this file first in every entry point,
 * worker and test set-up.
 */
interface Resolvers<T> {
  promise: Promise<T>
  resolve: (value: T | PromiseLike<T>) => void
  reject: (reason?: unknown) => void
}

if (typeof Promise.withResolvers !== 'function') {
  Object.defineProperty(Promise, 'withResolvers', {
    configurable: true,
    writable: true,
    value: function withResolvers<T>(this: PromiseConstructor): Resolvers<T> {
      let resolve: Resolvers<T>['resolve'] | undefined
      let reject: Resolvers<T>['reject'] | undefined
      const promise = new this<T>((res, rej) => {
        resolve = res
        reject = rej
      })
      return {
        promise,
        resolve: resolve as Resolvers<T>['resolve'],
        reject: reject as Resolvers<T>['reject'],
      }
    },
  })
}

export {}
