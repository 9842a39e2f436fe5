/** A whole challenge on a chain whose sequencer's clock lags behind everybody's, by the real command line. */
import { readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Chain, readChallenge } from '../../src/chain/index.js'
import { timeOfRound } from '../../src/crypto/beacon.js'
import { decodeEvidence } from '../../src/pob/evidence.js'
import { decodeTranscript } from '../../src/pob/transcript.js'
import { whyNoAnvil } from '../chain/support.js'
import { ChainNetwork, eventually } from '../support/chain-network.js'
import { whyNoLoopback } from '../support/local-network.js'

const reason = whyNoAnvil ?? (await whyNoLoopback())
if (reason !== undefined) process.stderr.write(`e2e chain-clock: skipped: ${reason}\n`)

const PATIENCE_MS = 180_000
const CHALLENGERS = 3
/** Far more than the drift margin of a development chain, and well inside the lead that it permits a round. */
const LAG_SECONDS = 25

describe.skipIf(reason !== undefined)('a chain whose clock lags behind', () => {
  let made: ChainNetwork
  let chain: Chain

  beforeAll(async () => {
    made = await ChainNetwork.create({ challengers: CHALLENGERS, lagSeconds: LAG_SECONDS })
    chain = await made.chainOf()
    await made.network.startAll()
  }, PATIENCE_MS)
  afterAll(() => made?.close(), PATIENCE_MS)

  it(
    'settles and pays, and no draw was known before it was asked for',
    async () => {
      const askedAt = Date.now() / 1000
      const behind = askedAt - (await chain.clock()).timestamp
      expect(behind).toBeGreaterThan(LAG_SECONDS / 2)
      const { challengeId, transcript } = await made.network.measure(['--on-chain', '--yes'])
      const id = challengeId as `0x${string}`
      expect((await readChallenge(chain, id)).status).toBe('settled')
      const { request } = decodeEvidence(decodeTranscript(await readFile(transcript.path)).evidence)
      // By the chain's clock alone an earlier round would have done, one that the beacon had published already.
      expect(timeOfRound(made.network.beacon, request.beaconRound)).toBeGreaterThan(askedAt)
      const { dataDir } = made.network.payer
      const verdict = await made.network.run([
        'verify',
        transcript.path,
        '--level',
        'settled',
        '--data-dir',
        dataDir,
        '--json',
      ])
      expect([verdict.code, verdict.stderr]).toEqual([0, expect.any(String)])
      await eventually('every member is paid', async () => {
        const { claimed, owed } = await readChallenge(chain, id)
        return claimed === owed
      })
    },
    PATIENCE_MS,
  )
})
