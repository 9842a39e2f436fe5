/** The prover's operator decides: each refusal reaches the payer as one line with its reason. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LocalNetwork, whyNoLoopback } from '../support/local-network.js'
import { ScriptedPayer } from '../support/scripted-payer.js'

const reason = await whyNoLoopback()
if (reason !== undefined) process.stderr.write(`e2e policy: skipped: ${reason}\n`)

const HOUR_MS = 3_600_000
const clock = (ms: number) => new Date(ms).toTimeString().slice(0, 5)

describe.skipIf(reason !== undefined)("the operator's terms", () => {
  let network: LocalNetwork
  beforeAll(async () => {
    // Nobody of the committee runs: a request that passes fails later, and is not the point here.
    network = await LocalNetwork.create({ challengers: 3 })
  })
  afterAll(() => network?.close(), 60_000)

  /** What `measure` says to a prover that was started with these flags. */
  async function linesUnder(flags: readonly string[], times = 1): Promise<string[]> {
    const { dataDir } = network.prover
    const prover = network.start(['prover', '--data-dir', dataDir, '--json-stream', ...flags])
    await prover.event('started')
    const lines: string[] = []
    for (let i = 0; i < times; i++) lines.push(await network.refusal())
    expect(prover.isOver).toBe(false)
    await prover.stop()
    for (const line of lines) expect(line.split('\n')).toHaveLength(1)
    return lines
  }

  it('an allow-list keeps others out, and lets those on it in', async () => {
    const { identity } = network.payer
    const [denied] = await linesUnder(['--allow', network.challengers[0]?.identity.address ?? ''])
    expect(denied).toMatch(/answered denied: the payer is not on this operator's allow-list/)
    for (const name of [identity.address, identity.peerId])
      expect((await linesUnder(['--allow', name]))[0]).toMatch(/the prover reached none of the 3 challengers/)
  })

  it('quiet hours, a data cap and a highest claim refuse', async () => {
    const now = Date.now()
    const until = clock(now + HOUR_MS)
    const [quiet] = await linesUnder(['--quiet-hours', `${clock(now - HOUR_MS)}-${until}`])
    expect(quiet).toContain(`quiet hours until ${until} local time`)
    const [capped] = await linesUnder(['--data-cap', '0.001'])
    expect(capped).toMatch(/data cap leaves 0\.00 GiB this month, the challenge may need 0\.\d\d GiB/)
    const [claim] = await linesUnder(['--claim', '1', '--max-claim', '2'])
    expect(claim).toContain('claims above 2 Mbit/s are not served here')
  })

  it('a least interval counts from the last challenge that ran, whether or not the daemon was restarted since', async () => {
    const flags = ['--min-interval', '3600']
    // What comes to nothing keeps nobody out.
    for (const line of await linesUnder(flags, 2)) expect(line).toContain('reached none')
    const members = await Promise.all(network.challengers.map((each) => network.daemon('challenger', each)))
    const { dataDir } = network.prover
    const prover = network.start(['prover', '--data-dir', dataDir, '--json-stream', ...flags])
    await prover.event('started')
    await network.measure()
    await Promise.all([prover, ...members].map((each) => each.stop()))
    for (const line of await linesUnder(flags, 2))
      expect(line).toMatch(/one challenge every 3600 s; try again in \d+ s/)
  })

  it('a busy prover says so', async () => {
    const prover = await network.daemon('prover', network.prover)
    const other = await ScriptedPayer.create(network)
    await other.accept()
    expect(await network.refusal()).toMatch(/answered busy: another challenge is under way; ask again/)
    await other.close()
    await prover.stop()
  })
})
