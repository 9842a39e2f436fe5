/** Loaded into a gateway: at SIGUSR2 it collects its heap and says on standard error what it has then. */
const { isMainThread } = require('node:worker_threads')

const COLLECTIONS = 4
const PAUSE_MS = 200

if (isMainThread && process.argv.includes('gateway')) {
  require('node:v8').setFlagsFromString('--expose-gc')
  const collect = require('node:vm').runInNewContext('gc')
  process.on('SIGUSR2', async () => {
    for (let n = 0; n < COLLECTIONS; n++) {
      collect()
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
    const { rss, heapUsed } = process.memoryUsage()
    process.stderr.write(`collected ${JSON.stringify({ rss, heapUsed })}\n`)
  })
}
