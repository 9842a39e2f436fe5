/**
 * Tests of real processes, sockets and clocks get a second attempt where the environment says CI: a machine that stands
 * still for a second breaks them. What needed it is named at the end (second-attempts.ts). All others, the random ones
 * among them, have one.
 */
import { TestRunner } from 'vitest'

const TIMED = [
  /\/test\/(?:e2e|chain|unit\/(?:dataplane|p2p))\//,
  /\/test\/unit\/(?:inference\/(?:client\/failing|provider\/channel-looks|gateway\/gateway|local|upstream)|ml\/engine-session)/,
]

export default class TimedRunner extends TestRunner {
  override importFile(...[path, source]: Parameters<TestRunner['importFile']>) {
    this.config.retry = process.env.CI !== undefined && TIMED.some((pattern) => pattern.test(path)) ? 1 : 0
    return super.importFile(path, source)
  }
}
