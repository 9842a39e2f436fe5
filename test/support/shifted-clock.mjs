/**
 * The real command line with a wall clock that can be set: PLUMBLINE_TEST_CLOCK names a file with the milliseconds by which it is
 * ahead, read again at each SIGUSR2. Monotonic clocks go on as they were, as when somebody sets a machine's clock.
 */
import { readFileSync } from 'node:fs'

const RealDate = globalThis.Date
const path = process.env.PLUMBLINE_TEST_CLOCK ?? ''
let aheadMs = 0
const read = () => {
  aheadMs = Number(readFileSync(path, 'utf8'))
}
read()
process.on('SIGUSR2', read)

globalThis.Date = class extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + aheadMs)
    else super(...args)
  }

  static now() {
    return RealDate.now() + aheadMs
  }
}

await import('../../dist/cli/main.js')
