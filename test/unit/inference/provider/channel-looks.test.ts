/** How looks at the chain are shared out among clients: honest ones, and those who ask it for nothing. */
import { setTimeout as sleep } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import { type Address, checksumAddress } from '../../../../src/crypto/address.js'
import { UserError } from '../../../../src/errors.js'
import type { PayeeAccount } from '../../../../src/inference/payment/index.js'
import { ChannelLooks, type Look } from '../../../../src/inference/provider/channel-looks.js'
import { LookPlaces } from '../../../../src/inference/provider/look-places.js'

const payer = (n: number): Address => {
  const bytes = new Uint8Array(20)
  new DataView(bytes.buffer).setUint32(16, n)
  return checksumAddress(bytes)
}
const [HONEST, OTHER, THIRD] = [payer(1), payer(2), payer(3)]
const from = (host: string) => ({ address: `/ip4/${host}/tcp/4021` })

/** What a keeper finds on the chain, and whom it was asked about. */
const chain = {
  open: new Set<Address>(),
  coming: new Set<Address>(),
  known: new Set<Address>(),
  asked: [] as Address[],
  before: async (): Promise<void> => {},
  adopt: async (who: Address): Promise<PayeeAccount> => {
    chain.asked.push(who)
    await chain.before()
    if (!chain.open.has(who)) throw new UserError('there is no open channel', { code: 'NOT_FOUND' })
    return {} as PayeeAccount
  },
  isMoreComing: async (who: Address): Promise<boolean> => chain.coming.has(who),
  isKnown: (who: Address): boolean => chain.known.has(who),
}

beforeEach(() => {
  for (const each of [chain.open, chain.coming, chain.known]) each.clear()
  chain.asked = []
  chain.before = async () => {}
})

/** Looks that hang until they are let go. */
function hold(): () => void {
  const { promise, resolve } = Promise.withResolvers<void>()
  chain.before = () => promise
  return resolve
}
const rest = (all: readonly Promise<Look>[]) => Promise.allSettled(all)

describe('looks at the chain', () => {
  it('of one client are spaced, those of all together bounded; who comes then waits for a turn', async () => {
    const everyMs = 60
    const looks = new ChannelLooks(chain, { everyMs, mostAtOnce: 2 })
    chain.open.add(HONEST)
    const began = performance.now()
    for (let i = 0; i < 4; i++) await looks.look(HONEST)
    expect(performance.now() - began).toBeGreaterThanOrEqual(3 * everyMs - 3)
    expect(chain.asked).toHaveLength(4)
    await sleep(2 * everyMs)
    const letGo = hold()
    chain.known.add(HONEST)
    chain.known.add(OTHER)
    const running = [looks.look(HONEST), looks.look(OTHER), looks.look(THIRD)]
    await expect.poll(() => chain.asked.length).toBe(6)
    await sleep(everyMs)
    expect(chain.asked.slice(4)).toEqual([HONEST, THIRD])
    letGo()
    await Promise.all(running)
    expect(chain.asked.slice(4)).toEqual([HONEST, THIRD, OTHER])
  })

  it('one that failed leaves room for the next', async () => {
    const looks = new ChannelLooks(chain, { everyMs: 0, mostAtOnce: 1 })
    chain.before = () => Promise.reject(new UserError('the node is down', { code: 'UNREACHABLE' }))
    for (let i = 0; i < 5; i++)
      await expect(looks.look(HONEST)).rejects.toMatchObject({ code: 'UNREACHABLE' })
    chain.before = async () => {}
    await looks.look(HONEST)
  })

  it('serve a newcomer while 64 free identities ask as fast as they can', async () => {
    const looks = new ChannelLooks(chain, { everyMs: 20 })
    let isOver = false
    const attack = async (n: number): Promise<void> => {
      while (!isOver) await looks.look(payer(100 + n), from(`10.0.0.${n}`)).catch(() => sleep(1))
    }
    const attacks = Array.from({ length: 64 }, (_, n) => attack(n))
    await sleep(100)
    chain.open.add(HONEST)
    for (let i = 0; i < 20; i++)
      expect(await looks.look(HONEST, from('192.0.2.7'))).toEqual({ isMoreComing: false })
    isOver = true
    await Promise.all(attacks)
  })

  it('take who has an account here first, and strangers by network in turns', async () => {
    const looks = new ChannelLooks(chain, { everyMs: 0, mostAtOnce: 1 })
    const letGo = hold()
    const running = [looks.look(payer(10), from('10.0.0.1'))]
    await expect.poll(() => chain.asked.length).toBe(1)
    for (const n of [11, 12, 13]) running.push(looks.look(payer(n), from(`10.0.0.${n}`)))
    running.push(looks.look(OTHER, from('192.0.2.7')))
    chain.known.add(HONEST)
    running.push(looks.look(HONEST, from('10.0.0.2')))
    await sleep(5)
    letGo()
    await rest(running)
    expect(chain.asked).toEqual([payer(10), HONEST, payer(11), OTHER, payer(12), payer(13)])
  })

  it('for who opens nothing come ever more seldom, and at once again where something is there or coming', async () => {
    const everyMs = 250
    const looks = new ChannelLooks(chain, { everyMs })
    await looks.look(HONEST)
    await looks.look(HONEST)
    const tooSoon = {
      code: 'BUSY',
      message: /2 looks .* found no open channel/,
      details: { retryAfterSeconds: 1 },
    }
    await expect(looks.look(HONEST)).rejects.toMatchObject(tooSoon)
    expect(chain.asked).toHaveLength(2)
    // A timer may ring a little before its time.
    await sleep(everyMs + 10)
    chain.coming.add(HONEST)
    expect(await looks.look(HONEST)).toEqual({ isMoreComing: true })
    for (let i = 0; i < 3; i++) await looks.look(HONEST)
    expect(chain.asked).toHaveLength(6)
  })
})

describe('places', () => {
  const options = { most: 4, heldMs: 0, mostWaiting: 4, mostWaitingOfOne: 3 }

  it('are kept in part for the other kind', async () => {
    const places = new LookPlaces(options)
    for (let i = 0; i < 3; i++) await places.take('10.0.0/24')
    let isWaiting = true
    const fourth = places.take('192.0.2/24').then(() => {
      isWaiting = false
    })
    await places.take(undefined)
    expect(isWaiting).toBe(true)
    void fourth
  })

  it('have a bounded line, in which who sends most makes room', async () => {
    const places = new LookPlaces({ ...options, most: 1 })
    const leave = await places.take(undefined)
    const refused: string[] = []
    const order: string[] = []
    const take = (name: string, network: string): Promise<void> =>
      places.take(network).then(
        (done) => {
          order.push(name)
          done()
        },
        ({ code }: UserError) => {
          refused.push(`${name} ${code}`)
        },
      )
    const all = [1, 2, 3, 4].map((n) => take(`a${n}`, '10.0.0/24'))
    all.push(
      take('b1', '10.0.1/24'),
      take('c1', '10.0.2/24'),
      take('d1', '10.0.3/24'),
      take('e1', '10.0.4/24'),
    )
    await sleep(1)
    expect(refused).toEqual(['a4 BUSY', 'a3 BUSY', 'a2 BUSY', 'e1 BUSY'])
    leave()
    await Promise.all(all)
    expect(order).toEqual(['a1', 'b1', 'c1', 'd1'])
  })

  it('are held for a while, whoever answers at once', async () => {
    const places = new LookPlaces({ ...options, most: 1, heldMs: 40 })
    const began = performance.now()
    for (let i = 0; i < 3; i++) (await places.take(undefined))()
    expect(performance.now() - began).toBeGreaterThanOrEqual(2 * 40 - 3)
  })
})
