/** A market of two providers that a gateway finds by itself: the cheaper one, a channel that runs dry, and a provider that dies. */
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { whyNoLoopback } from '../support/local-network.js'
import { Market, type RunningGateway } from '../support/market.js'

const SLOW = 240_000
const RECORDING = 'test/fixtures/speech/accept-this-call.wav'
const PRICE_WEI = 2n * 10n ** 14n
/** The recording has three begun seconds. */
const JOB_WEI = 3n * PRICE_WEI
/** Three jobs of the cheaper provider, half as dear, and no fourth. */
const DEPOSIT_WEI = 10n ** 15n
const LOOK_EVERY_MS = 2_500
const none = await whyNoLoopback()

describe.skipIf(none !== undefined)('a market', () => {
  let market: Market
  let gateway: RunningGateway

  beforeAll(async () => {
    market = await Market.open({ priceWei: PRICE_WEI, client: { deposit: `${DEPOSIT_WEI} wei` } })
  }, SLOW)
  afterAll(() => market?.close(), SLOW)

  /** Whose offer of the model is the cheapest that is known. */
  const cheapest = async (): Promise<string | undefined> => {
    const { data } = (await (await fetch(`${gateway.baseUrl}/models`)).json()) as {
      data: readonly { readonly owned_by: string }[]
    }
    return data[0]?.owned_by
  }
  const bought = async () => {
    const form = new FormData()
    form.set('file', new Blob([new Uint8Array(await readFile(RECORDING))]), 'clip.wav')
    form.set('model', 'asr-small')
    const answer = await fetch(`${gateway.baseUrl}/audio/transcriptions`, { method: 'POST', body: form })
    const text = await answer.text()
    if (!answer.ok) throw new Error(text)
    const header = (name: string) => answer.headers.get(`x-plumbline-${name}`)
    return { text, provider: header('provider'), priceWei: BigInt(header('price-wei') ?? 0) }
  }

  it('offers come by gossip, the cheapest is taken, a dry channel is topped up, a dead provider is left', {
    timeout: SLOW,
  }, async () => {
    await market.serve()
    gateway = await market.search()
    const host = market.provider.host.replace(/\.1$/, '.2')
    const cheap = await market.addProvider('cheap', host, [`asr-small=${PRICE_WEI / 2n} wei`])
    const serving = await market.serve({ provider: cheap })
    while ((await cheapest()) !== cheap.identity.peerId) await sleep(500)

    for (let i = 0; i < 4; i++) {
      // A provider asks the chain about one client every so often: a top-up that follows sooner sends the job elsewhere.
      if (i === 3) await sleep(LOOK_EVERY_MS)
      expect(await bought()).toMatchObject({
        text: expect.stringContaining('accept'),
        provider: cheap.identity.peerId,
        priceWei: JOB_WEI / 2n,
      })
    }
    expect(await market.channel(market.client, cheap)).toMatchObject({
      nonce: 1,
      depositWei: 2n * DEPOSIT_WEI,
    })

    serving.kill('SIGKILL')
    await serving.ended
    expect(await bought()).toMatchObject({ provider: market.provider.identity.peerId, priceWei: JOB_WEI })
    expect((await gateway.process.stop()).code).toBe(0)
  })
})
