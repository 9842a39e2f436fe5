/** Deposits that come back: `plumbline channels` against a real chain, and what a client does by itself. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import {
  type Chain,
  channelIdOf,
  channelsContract,
  type DevChain,
  deploymentPath,
  openChain,
  openChannel,
  parseAmount,
  readChannel,
  redeemVouchers,
  startDevChain,
  writeDeployment,
} from '../../src/chain/index.js'
import { channelsText } from '../../src/cli/channels-list.js'
import { createKeyFile } from '../../src/cli/key-file.js'
import { loadConfig } from '../../src/config/load.js'
import { dataPaths } from '../../src/config/paths.js'
import type { Address } from '../../src/crypto/address.js'
import { Identity } from '../../src/crypto/identity.js'
import { ChannelNotes } from '../../src/inference/client/channel-notes.js'
import { Channels } from '../../src/inference/client/channels.js'
import { Payee, Payer, paymentDomain, redeemable } from '../../src/inference/payment/index.js'
import { earningChannel, type ListedChannel } from '../../src/node/inference/channel-list.js'
import { openNetworkClient } from '../../src/node/inference/client.js'
import { clientLedger } from '../../src/node/inference/client-ledger.js'
import { serveControlSocket } from '../../src/p2p/control-socket.js'
import { openStore } from '../../src/store/index.js'
import { createLogger } from '../../src/telemetry/logger.js'
import { run as runInProcess } from '../unit/cli/in-process.js'
import { fundedChain, whyNoAnvil } from './support.js'

const PASSPHRASE = 'nobody guesses this'
const DEPOSIT = parseAmount('0.5')
const PRICE = parseAmount('0.01')
const DAY = 86_400
const bytes = (value: number) => new Uint8Array(32).fill(value)

describe.skipIf(whyNoAnvil !== undefined)('plumbline channels', () => {
  type Funded = Awaited<ReturnType<typeof fundedChain>>
  let dev: DevChain
  let directory: string
  let seller: Funded
  let chain: Chain
  const own = Identity.generate()
  const log = createLogger({ level: 'silent', format: 'json' })
  const offered = { chainId: 0, contract: new Uint8Array(20), leastDepositWei: 1n, exposureWei: DEPOSIT }
  const domain = () => paymentDomain(chain.chainId, channelsContract(chain))

  beforeAll(async () => {
    dev = await startDevChain({ blockTimeSeconds: 0 })
    directory = await mkdtemp(join(tmpdir(), 'plumbline-channels-cli-'))
    await createKeyFile(dataPaths(directory).key, own, PASSPHRASE, 'light')
    await writeDeployment(deploymentPath(directory, dev.chainId), dev.deployment)
    await dev.fund(own.address, parseAmount('100'))
    seller = await fundedChain(dev)
    chain = await openChain({ rpcUrls: [dev.rpcUrl], deployment: dev.deployment, identity: own })
  })
  afterAll(async () => {
    await seller?.close()
    await chain?.close()
    await dev?.stop()
    await rm(directory, { recursive: true, force: true })
  })

  async function run(words: readonly string[], answers?: readonly string[]) {
    const env = { PLUMBLINE_PASSPHRASE: PASSPHRASE }
    const args = ['channels', ...words, '--data-dir', directory, '--rpc', dev.rpcUrl, '--json']
    const outcome = await runInProcess(args, { env, ...(answers === undefined ? {} : { answers }) })
    return { ...outcome, json: JSON.parse(outcome.stdout || '{}') }
  }
  const ledger = () => openStore(clientLedger(directory, own.address))
  const stateOf = (payee: Address) => readChannel(chain, { payer: own.address, payee })
  const payer = (store: Awaited<ReturnType<typeof ledger>>) =>
    Payer.open(
      { domain: domain(), signer: own, books: store.paymentsMade },
      { exposureWei: DEPOSIT, maxJobs: 8 },
    )
  const channelsOf = (ledgerOf: Payer) =>
    new Channels(
      { depositWei: DEPOSIT, lifeSeconds: DAY },
      { chain, payer: ledgerOf, address: own.address, log },
    )

  it('lists both sides, asks for the end, takes the deposit back, and forgets when nothing can be disputed', {
    timeout: 120_000,
  }, async () => {
    expect((await run(['list'])).json).toMatchObject({ address: own.address, channels: [] })
    expect((await run(['close', '--all'])).stderr).toContain('give --yes')

    // Two channels that a client opened; in one of them a job was bought.
    const [used, unused] = [seller.identity.address, Identity.generate().address]
    const store = await ledger()
    const buyer = await payer(store)
    const channels = channelsOf(buyer)
    const { channelId } = await channels.ready(used, PRICE, offered)
    await channels.ready(unused, PRICE, offered)
    const sold = await openStore(join(directory, 'seller'))
    const now = () => Math.floor(Date.now() / 1000)
    const selling = await Payee.open(
      { domain: domain(), signer: seller.identity, books: sold.paymentsEarned, now },
      { exposureWei: DEPOSIT, maxJobs: 8, leastRemainingSeconds: 1 },
    )
    await selling.setChannel(own.address, buyer.account(channelId))
    const job = { jobId: bytes(1), model: bytes(2), input: bytes(3), terms: bytes(4), maxPriceWei: PRICE }
    await buyer.begin(channelId, job)
    selling.admit(channelId, job)
    const receipt = await selling.issue(channelId, { ...job, output: bytes(5), units: 1, priceWei: PRICE })
    const voucher = await buyer.receive(receipt)
    await selling.accept(voucher)
    await sold.close()
    // And one by which this node is paid.
    const { timestamp } = await chain.clock()
    const opened = await openChannel(seller, {
      payee: own.address,
      depositWei: DEPOSIT,
      endsAt: timestamp + DAY,
    })
    const node = await openStore(dataPaths(directory).store)
    const earning = await Payee.open(
      { domain: domain(), signer: own, books: node.paymentsEarned, now },
      { exposureWei: DEPOSIT, maxJobs: 8, leastRemainingSeconds: 1 },
    )
    await earning.setChannel(used, { ...opened, channelId: hexToBytes(opened.channelId.slice(2)) })

    // Who has the ledger is named, with what to do.
    expect((await run(['list'])).stderr).toMatch(/a gateway, or a command that buys .*stop it first/s)
    await store.close()
    // A running daemon has its store, and is asked over its socket.
    const socket = await serveControlSocket(
      dataPaths(directory).controlSocket,
      { channels: async () => earning.accounts().map(earningChannel) },
      log,
    )
    const both = await run(['list'])
    await socket.close()
    await node.close()
    expect((await run(['list'])).json).toEqual(both.json)
    const id = `0x${bytesToHex(channelId)}`
    const open = { role: 'payer', state: 'open', depositWei: String(DEPOSIT), redeemedWei: '0' }
    expect(both.json.channels).toHaveLength(3)
    expect(both.json.channels).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          ...open,
          channelId: id,
          partner: used,
          spentWei: String(PRICE),
          freeWei: String(DEPOSIT - PRICE),
        }),
        expect.objectContaining({ ...open, partner: unused, spentWei: '0', freeWei: String(DEPOSIT) }),
        expect.objectContaining({ ...open, role: 'payee', channelId: opened.channelId, partner: used }),
      ]),
    )
    await rm(dataPaths(directory).store, { recursive: true })

    // A person is asked, and may say no.
    const no = await run(['close', '--all'], ['n'])
    expect(no.status).not.toBe(0)
    expect(no.stderr).toMatch(/2 channels will be over at .*\. Gas may come to 0\.\d+ ETH; you have \d/)
    expect((await stateOf(used)).endsAt).toBe(both.json.channels.find(isOf(used)).endsAt)
    const asked = await run(['close', '--all'], ['y'])
    expect(asked.json.channels.map(({ action }: { action: string }) => action)).toEqual(['asked', 'asked'])
    expect((await run(['list'])).json.channels.map(({ state }: { state: string }) => state)).toEqual([
      'ending',
      'ending',
    ])
    expect((await run(['close', id.slice(0, 12), '--yes'])).json).toMatchObject({
      channels: [{ action: 'waiting', payee: used }],
      feeWei: '0',
    })

    // The provider redeems in its time; then the rest comes back, and what holds no evidence is forgotten.
    await redeemVouchers(seller, { payee: used, vouchers: [redeemable(own.address, voucher)] })
    await dev.increaseTime(chain.terms.channelChallengeSeconds + 1)
    const closed = await run(['close', '--all', '--yes'])
    expect(closed.json.refundWei).toBe(String(2n * DEPOSIT - PRICE))
    expect(closed.json.channels.map(({ action }: { action: string }) => action)).toEqual(['closed', 'closed'])
    for (const payee of [used, unused]) expect((await stateOf(payee)).isOpen).toBe(false)
    const left = (await run(['list'])).json.channels
    expect(left).toEqual([expect.objectContaining({ partner: used, state: 'closed', freeWei: '0' })])
    await dev.increaseTime(7 * DAY)
    expect((await run(['close', '--all', '--yes'])).json).toMatchObject({
      channels: [{ action: 'forgotten' }],
    })
    expect((await run(['list'])).json.channels).toEqual([])
  })
  const isOf = (partner: Address) => (each: { readonly partner: Address }) => each.partner === partner

  it('ends a channel that no ledger knows, by its provider', async () => {
    const payee = Identity.generate().address
    const { timestamp } = await chain.clock()
    await openChannel(chain, { payee, depositWei: DEPOSIT, endsAt: timestamp + DAY })
    expect((await run(['close', Identity.generate().address, '--yes'])).stderr).toContain(
      'there is no open channel',
    )
    expect((await run(['close', payee, '--yes'])).json).toMatchObject({
      channels: [{ action: 'asked', payee }],
    })
    await dev.increaseTime(chain.terms.channelChallengeSeconds + 1)
    expect((await run(['close', payee, '--yes'])).json).toMatchObject({
      channels: [{ action: 'closed', payee }],
      refundWei: String(DEPOSIT),
    })
  })

  it('ends a channel by its provider where the ledger has one of another contract, too', async () => {
    const payee = Identity.generate().address
    const { timestamp } = await chain.clock()
    const store = await ledger()
    const buyer = await payer(store)
    const elsewhere = { channelId: bytes(9), nonce: 1, depositWei: DEPOSIT, endsAt: timestamp + DAY }
    await buyer.setChannel(payee, elsewhere)
    await openChannel(chain, { payee, depositWei: DEPOSIT, endsAt: timestamp + DAY })
    await store.close()
    expect((await run(['close', payee, '--yes'])).json).toMatchObject({
      channels: [{ action: 'asked', payee }],
    })
    const again = await ledger()
    await (await payer(again)).forget(elsewhere.channelId)
    await again.close()
    await dev.increaseTime(chain.terms.channelChallengeSeconds + 1)
    await run(['close', payee, '--yes'])
  })

  it('comes back by itself where a client runs, and a channel that is over is not topped up but opened again', async () => {
    const [left, wanted] = [Identity.generate().address, Identity.generate().address]
    const store = await ledger()
    const buyer = await payer(store)
    const channels = channelsOf(buyer)
    for (const payee of [left, wanted]) await channels.ready(payee, PRICE, offered)
    await channels.leave(left)
    await channels.refundOver()
    expect([(await stateOf(left)).isOpen, (await stateOf(wanted)).isOpen]).toEqual([true, true])

    await dev.increaseTime(2 * DAY)
    const before = await chain.client.getBalance({ address: own.address })
    expect((await channels.ready(wanted, 2n * DEPOSIT - 1n, offered).catch((error) => error)).code).toBe(
      'DENIED',
    )
    expect((await stateOf(wanted)).isOpen).toBe(false)
    await channels.refundOver()
    expect((await stateOf(left)).isOpen).toBe(false)
    const backWei = (await chain.client.getBalance({ address: own.address })) - before
    expect(backWei > 2n * DEPOSIT - parseAmount('0.01')).toBe(true)
    expect(buyer.accounts()).toEqual([])
    const { channelId } = await channels.ready(wanted, PRICE, offered)
    expect(buyer.account(channelId).nonce).toBe(2)
    await store.close()
  })

  it('comes back by itself where a gateway runs that buys nothing any more', {
    timeout: 120_000,
  }, async () => {
    const payee = Identity.generate().address
    const store = await ledger()
    await channelsOf(await payer(store)).ready(payee, PRICE, offered)
    await store.close()
    await dev.increaseTime(2 * DAY)
    const flags = { dataDir: directory, 'chain.rpcUrls': [dev.rpcUrl], 'network.listen': [] }
    const { config } = await loadConfig({ env: {}, flags })
    const client = await openNetworkClient({ config, identity: own, log, isLasting: true })
    await vi.waitFor(async () => expect((await stateOf(payee)).isOpen).toBe(false), {
      timeout: 60_000,
      interval: 200,
    })
    await client.close()
    // Nothing was left open.
    await (await ledger()).close()
  })

  it('shows what an earlier ledger used until it is closed, and counts nothing that the chain does not have', {
    timeout: 120_000,
  }, async () => {
    const [used, gone] = [Identity.generate().address, Identity.generate().address]
    const { timestamp } = await chain.clock()
    const opened = await openChannel(chain, { payee: used, depositWei: DEPOSIT, endsAt: timestamp + 9 * DAY })
    const idBytes = (id: string) => hexToBytes(id.slice(2))
    const contract = channelsContract(chain)
    const parties = { payer: own.address, payee: gone, nonce: 1 }
    const lost = idBytes(channelIdOf({ chainId: chain.chainId, contract, ...parties }))
    const store = await ledger()
    const notes = await ChannelNotes.open(store.channelNotes)
    await notes.set({ kind: 'left', channelId: idBytes(opened.channelId), payee: used, nonce: 1 })
    const buyer = await payer(store)
    await buyer.setChannel(gone, { channelId: lost, nonce: 1, depositWei: DEPOSIT, endsAt: timestamp + DAY })
    await store.close()

    const listed = (await run(['list'])).json.channels as ListedChannel[]
    expect(listed.find(({ partner }) => partner === used)).toMatchObject({
      ...{ role: 'payer', state: 'open', depositWei: String(DEPOSIT), freeWei: String(DEPOSIT) },
    })
    const unseen = listed.filter(({ partner }) => partner === gone)
    expect(unseen).toMatchObject([{ state: 'unseen', freeWei: '0', redeemedWei: null }])
    expect(channelsText(unseen, own.address, String)).toContain("0 of this key's deposits are not spent")
    const text = channelsText(listed, own.address, (wei) => `0.${wei.padStart(18, '0')} ETH`)
    for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
    const { channels } = (await run(['close', '--all', '--yes'])).json as { channels: { payee: string }[] }
    expect(channels.find(({ payee }) => payee === used)).toMatchObject({ action: 'asked' })
    expect(channels.find(({ payee }) => payee === gone)).toMatchObject({ action: 'untouched' })
    const soonest = (await chain.clock()).timestamp + chain.terms.channelChallengeSeconds
    expect((await stateOf(used)).endsAt).toBeLessThanOrEqual(soonest)
  })
})
