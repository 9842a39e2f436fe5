/** Payment channels through the client: opened, paid from, redeemed, left, and what cannot be done with them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesToHex, hexToBytes, toHex, zeroHash } from 'viem'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type Chain,
  channelIdOf,
  channelsContract,
  closeChannel,
  connectChain,
  DEVELOPMENT_TERMS,
  type Deployment,
  type DevChain,
  deployContracts,
  openChain,
  openChannel,
  parseAmount,
  parseDeployment,
  type RedeemableVoucher,
  readChannel,
  readChannelEvents,
  redeemVouchers,
  registerNode,
  requestChannelClose,
  signConsent,
  startAnvil,
  startDevChain,
  topUpChannel,
  wellKnownAccount,
} from '../../src/chain/index.js'
import type { Address } from '../../src/crypto/address.js'
import { Identity } from '../../src/crypto/identity.js'
import {
  ChannelKeeper,
  Payee,
  Payer,
  paymentDomain,
  RetiredOpenings,
  signVoucher,
  voucherDigest,
} from '../../src/inference/payment/index.js'
import { unseenProblem } from '../../src/node/inference/channel-list.js'
import { openStore } from '../../src/store/index.js'
import { fundedChain, startProxy, testClientOf, whyNoAnvil } from './support.js'

const DEPOSIT = parseAmount('0.5')
const DAY = 86_400
const KEEPING = { maxPerPayer: 2, auditWindowSeconds: 7 * DAY }
const HEAD = new Uint8Array(32).fill(7)

describe.skipIf(whyNoAnvil !== undefined)('payment channels', () => {
  type Funded = Awaited<ReturnType<typeof fundedChain>>
  let dev: DevChain
  let payer: Funded
  let stranger: Funded
  let cold: Funded
  let seller: Funded
  let provider: Identity

  beforeAll(async () => {
    dev = await startDevChain({ blockTimeSeconds: 0 })
    payer = await fundedChain(dev)
    stranger = await fundedChain(dev)
    cold = await fundedChain(dev)
    seller = await fundedChain(dev)
    provider = seller.identity
    await registerNode(cold, {
      consent: await signConsent(provider, {
        chainId: dev.chainId,
        stakeRegistry: dev.deployment.contracts.stakeRegistry,
        owner: cold.identity.address,
        expiry: 4_000_000_000,
      }),
      endpoint: { host: '127.0.5.1', udpPort: 4022, uplinkKbps: 1000, addresses: [] },
      seats: 0,
    })
  })
  afterAll(async () => {
    for (const chain of [payer, stranger, cold, seller]) await chain?.close()
    await dev?.stop()
  })

  const inADay = async (chain: Chain) => (await chain.clock()).timestamp + DAY
  const open = async (payee: Address, depositWei = DEPOSIT) =>
    openChannel(payer, { payee, depositWei, endsAt: await inADay(payer) })

  /** Signed for any chain, contract and channel. */
  function voucher(
    amountWei: bigint,
    options: {
      readonly channelId: `0x${string}`
      readonly chain?: Pick<Chain, 'chainId' | 'deployment'>
      readonly signer?: Identity
      readonly receipts?: number
    },
  ): RedeemableVoucher {
    const { channelId, chain = payer, signer = payer.identity, receipts = 2 } = options
    const domain = paymentDomain(chain.chainId, channelsContract(chain))
    const content = { channelId: hexToBytes(channelId), amountWei, receipts, receiptsHead: HEAD }
    const { signature } = signVoucher(domain, content, signer)
    return {
      payer: signer.address,
      amountWei,
      receipts: BigInt(receipts),
      receiptsHead: toHex(HEAD),
      signature: toHex(signature),
    }
  }

  it('computes ids and digests as the contract does', async () => {
    const contract = channelsContract(payer)
    const { abi } = await import('../../src/chain/generated/payment-channels.js').then((module) => ({
      abi: module.paymentChannelsAbi,
    }))
    const [one, other] = [Identity.generate().address, Identity.generate().address]
    for (const nonce of [0, 1, 2 ** 24 - 1]) {
      const theirs = await payer.client.readContract({
        address: contract,
        abi,
        functionName: 'channelIdOf',
        args: [one, other, nonce],
      })
      const ours = channelIdOf({ chainId: payer.chainId, contract, payer: one, payee: other, nonce })
      expect(ours).toBe(theirs)
    }
    for (const [amountWei, receipts] of [
      [0n, 0],
      [1n, 1],
      [2n ** 96n - 1n, Number.MAX_SAFE_INTEGER],
    ] as const) {
      const channelId = new Uint8Array(32).fill(3)
      const ours = voucherDigest(paymentDomain(payer.chainId, contract), {
        channelId,
        amountWei,
        receipts,
        receiptsHead: HEAD,
      })
      const theirs = await payer.client.readContract({
        address: contract,
        abi,
        functionName: 'voucherDigest',
        args: [toHex(channelId), amountWei, BigInt(receipts), toHex(HEAD)],
      })
      expect(bytesToHex(ours)).toBe(theirs)
    }
  })

  it('pays the cold wallet in one redemption, and gives the rest back', async () => {
    const payee = provider.address
    const opened = await open(payee)
    expect(opened).toMatchObject({ nonce: 1, depositWei: DEPOSIT })
    expect(await readChannel(stranger, { payer: payer.identity.address, payee })).toMatchObject({
      channelId: opened.channelId,
      isOpen: true,
      depositWei: DEPOSIT,
      redeemedWei: 0n,
      endsAt: opened.endsAt,
    })
    const { channelId } = opened
    const { depositWei, endsAt } = await topUpChannel(payer, {
      payee,
      amountWei: DEPOSIT,
      endsAt: opened.endsAt + DAY,
    })
    expect([depositWei, endsAt]).toEqual([2n * DEPOSIT, opened.endsAt + DAY])
    const before = await payer.client.getBalance({ address: cold.identity.address })
    const older = voucher(parseAmount('0.1'), { channelId })
    const redeemed = await redeemVouchers(seller, {
      payee,
      vouchers: [voucher(parseAmount('0.3'), { channelId })],
    })
    expect(redeemed.paidWei).toBe(parseAmount('0.3'))
    expect(redeemed.redemptions).toEqual([
      { channelId, paidWei: parseAmount('0.3'), redeemedWei: parseAmount('0.3') },
    ])
    expect(await payer.client.getBalance({ address: cold.identity.address })).toBe(
      before + parseAmount('0.3'),
    )
    await expect(redeemVouchers(seller, { payee, vouchers: [older] })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: 'redeeming vouchers: the voucher was redeemed before',
    })

    // The payer leaves; the payee has its challenge period.
    const parties = { payer: payer.identity.address, payee }
    await expect(requestChannelClose(stranger, parties)).rejects.toThrow(/is neither the payer/)
    const asked = await requestChannelClose(payer, parties)
    expect(asked.endsAt).toBeLessThan(endsAt)
    await expect(requestChannelClose(payer, parties)).rejects.toMatchObject({ code: 'EXISTS' })
    await expect(closeChannel(payer, parties)).rejects.toThrow(
      /the channel ends at \d{4}-.*; before that the payee alone may close it/,
    )
    await redeemVouchers(seller, { payee, vouchers: [voucher(parseAmount('0.4'), { channelId })] })
    await dev.increaseTime(payer.terms.channelChallengeSeconds + 1)
    const closed = await closeChannel(stranger, parties)
    expect(closed).toMatchObject({ refundWei: 2n * DEPOSIT - parseAmount('0.4'), paidWei: 0n })
    expect(await readChannel(payer, parties)).toMatchObject({ isOpen: false, nonce: 1, depositWei: 0n })
  })

  it('redeems and closes at once for the payee', async () => {
    const hot = await fundedChain(dev)
    const payee = hot.identity.address
    const { channelId } = await open(payee)
    const last = voucher(parseAmount('0.2'), { channelId })
    const parties = { payer: payer.identity.address, payee }
    await expect(closeChannel(payer, { ...parties, voucher: last })).rejects.toThrow(/is not the payee/)
    const closed = await closeChannel(hot, { ...parties, voucher: last })
    expect(closed).toMatchObject({ paidWei: parseAmount('0.2'), refundWei: DEPOSIT - parseAmount('0.2') })
    // Whoever takes part in none of it is told all three.
    const { blockNumber } = await hot.clock()
    const events = await readChannelEvents(hot, { fromBlock: 0n, toBlock: blockNumber })
    const of = <T extends { readonly channelId: string }>(all: readonly T[]) =>
      all.filter((each) => each.channelId === channelId)
    expect(of(events.opened)).toMatchObject([{ payer: payer.identity.address, payee }])
    expect(of(events.redeemed)).toMatchObject([{ payee, receipts: Number(last.receipts) }])
    expect(of(events.closed)).toEqual([{ channelId, at: of(events.redeemed)[0]?.at }])
    await hot.close()
  })

  it("is the payee's word: nobody else redeems a voucher, neither its payer nor the payee's wallet", async () => {
    const payee = Identity.generate().address
    const { channelId } = await open(payee)
    // One wei, and receipts that no payee ever issued.
    const framing = voucher(1n, { channelId, receipts: 1_000_000 })
    for (const chain of [payer, stranger, cold])
      for (const vouchers of [[framing], [framing, framing]])
        await expect(redeemVouchers(chain, { payee, vouchers })).rejects.toMatchObject({
          code: 'DENIED',
          message: `redeeming vouchers: ${chain.identity.address} is not the payee ${payee}, whose word a redemption is`,
        })
    const { redeemedWei } = await readChannel(payer, { payer: payer.identity.address, payee })
    expect(redeemedWei).toBe(0n)
  })

  it('pays many payers with one transaction, and passes over what is worth nothing', async () => {
    const payee = provider.address
    const others = [await fundedChain(dev), await fundedChain(dev)]
    const vouchers: RedeemableVoucher[] = []
    for (const chain of others) {
      const { channelId } = await openChannel(chain, {
        payee,
        depositWei: DEPOSIT,
        endsAt: await inADay(chain),
      })
      vouchers.push(voucher(1000n, { channelId, signer: chain.identity }))
      await chain.close()
    }
    const forged = { ...voucher(5n, { channelId: zeroHash }), payer: payer.identity.address }
    const { transactions, redemptions, paidWei } = await redeemVouchers(seller, {
      payee,
      vouchers: [forged, ...vouchers, ...vouchers],
    })
    expect([transactions.length, redemptions.length, paidWei]).toEqual([1, 2, 2000n])
  })

  it('opens a pair once, and once more after its end; vouchers stay with their opening', async () => {
    const hot = await fundedChain(dev)
    const payee = hot.identity.address
    const first = await open(payee)
    await expect(open(payee)).rejects.toMatchObject({ code: 'EXISTS' })
    const former = voucher(77n, { channelId: first.channelId })
    await requestChannelClose(payer, { payer: payer.identity.address, payee })
    await dev.increaseTime(payer.terms.channelChallengeSeconds + 1)
    await closeChannel(stranger, { payer: payer.identity.address, payee })
    await expect(redeemVouchers(hot, { payee, vouchers: [former] })).rejects.toThrow(
      /there is no open channel from/,
    )
    const second = await open(payee)
    expect(second.nonce).toBe(2)
    expect(second.channelId).not.toBe(first.channelId)
    await expect(redeemVouchers(hot, { payee, vouchers: [former] })).rejects.toThrow(
      /the voucher is signed by 0x\S+, not by the payer 0x\S+ for this opening/,
    )
    await hot.close()
  })

  it('knows no voucher of another channel, contract or chain', async () => {
    const hot = await fundedChain(dev)
    const [payee, otherPayee] = [hot.identity.address, Identity.generate().address]
    const { channelId } = await open(payee)
    const other = await open(otherPayee)
    const refused = async (chain: Chain, bad: RedeemableVoucher) =>
      expect(redeemVouchers(chain, { payee, vouchers: [bad] })).rejects.toThrow(/the voucher is signed by/)
    await refused(hot, voucher(5n, { channelId: other.channelId }))
    await refused(hot, {
      ...voucher(5n, { channelId, signer: stranger.identity }),
      payer: payer.identity.address,
    })
    const good = voucher(5n, { channelId })
    await refused(hot, { ...good, amountWei: 6n })
    await refused(hot, { ...good, receipts: 3n })

    // The same pair and nonce in another deployment of the same chain, and on another chain.
    const elsewhere: { url: string; deployment: Deployment; stop: () => Promise<void> }[] = []
    const twin = await deployContracts(
      await connectChain({ rpcUrls: [dev.rpcUrl], identity: stranger.identity }),
      { terms: DEVELOPMENT_TERMS },
    )
    elsewhere.push({ url: dev.rpcUrl, deployment: twin.deployment, stop: async () => {} })
    const anvil = await startAnvil({ chainId: 1337 })
    const deployer = await connectChain({ rpcUrls: [anvil.url], identity: wellKnownAccount(0) })
    const { deployment } = await deployContracts(deployer, { terms: DEVELOPMENT_TERMS })
    await deployer.close()
    for (const address of [payer.identity.address, payee])
      await testClientOf(anvil.url).setBalance({ address, value: parseAmount('10') })
    elsewhere.push({ url: anvil.url, deployment, stop: anvil.stop })
    for (const { url, deployment: there, stop } of elsewhere) {
      const chain = await openChain({ rpcUrls: [url], deployment: there, identity: payer.identity })
      await openChannel(chain, { payee, depositWei: DEPOSIT, endsAt: await inADay(chain) })
      const submits = await openChain({ rpcUrls: [url], deployment: there, identity: hot.identity })
      await refused(submits, good)
      await submits.close()
      await chain.close()
      await stop()
    }
    const { paidWei } = await redeemVouchers(hot, { payee, vouchers: [good] })
    expect(paidWei).toBe(5n)
    await hot.close()
  })

  it('pays from an underfunded channel what is there, and the rest after a top-up', async () => {
    const hot = await fundedChain(dev)
    const payee = hot.identity.address
    const { channelId } = await open(payee, 100n)
    const large = voucher(150n, { channelId })
    expect((await redeemVouchers(hot, { payee, vouchers: [large] })).paidWei).toBe(100n)
    await topUpChannel(payer, { payee, amountWei: 80n })
    const again = await redeemVouchers(hot, { payee, vouchers: [large] }, { intent: 'the rest' })
    expect(again.paidWei).toBe(50n)
    await hot.close()
  })

  it('sends an opening once, however often it is asked for', async () => {
    const payee = Identity.generate().address
    const endsAt = await inADay(payer)
    const twice = await Promise.all([0, 1].map(() => openChannel(payer, { payee, depositWei: 9n, endsAt })))
    expect(twice[0]?.hash).toBe(twice[1]?.hash)
    expect((await readChannel(payer, { payer: payer.identity.address, payee })).depositWei).toBe(9n)
  })

  it('tells every lack by have and need, and every wrong end by its bounds', async () => {
    const poor = await fundedChain(dev)
    await dev.fund(poor.identity.address, parseAmount('0.01'))
    const payee = Identity.generate().address
    const endsAt = await inADay(poor)
    await expect(openChannel(poor, { payee, depositWei: DEPOSIT, endsAt })).rejects.toThrow(
      /opening the channel: not enough money at 0x\S+ for value and gas: have 0\.01 ETH, need 0\.50\d+ ETH/,
    )
    await expect(openChannel(poor, { payee, depositWei: 1n, endsAt: endsAt - DAY })).rejects.toThrow(
      /the channel's end \S+ is not between \S+ and \S+/,
    )
    await expect(openChannel(poor, { payee, depositWei: 0n, endsAt })).rejects.toThrow(/nothing is paid in/)
    await expect(openChannel(poor, { payee: poor.identity.address, depositWei: 1n, endsAt })).rejects.toThrow(
      /there is no channel from/,
    )
    await expect(topUpChannel(poor, { payee, amountWei: 1n })).rejects.toMatchObject({ code: 'NOT_FOUND' })
    await poor.close()
  })

  it('pays what the two ledgers agreed on, once, over restarts of both', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'plumbline-channels-'))
    const payee = provider.address
    const price = parseAmount('0.001')
    const opened = await open(payee)
    const domain = paymentDomain(payer.chainId, channelsContract(payer))
    const channelId = hexToBytes(opened.channelId)
    const limits = { exposureWei: 10n * price, maxJobs: 8, leastRemainingSeconds: 60 }
    const policy = { thresholdWei: 2n * price, beforeEndSeconds: 3600, leastWei: 1n }
    const { timestamp } = await payer.clock()
    const terms = { channelId, nonce: opened.nonce, depositWei: opened.depositWei, endsAt: opened.endsAt }
    const bytes = (value: number) => new Uint8Array(32).fill(value)
    let paidWei = 0n
    for (let session = 1; session <= 2; session++) {
      const store = await openStore(join(directory, 'store'))
      const books = store.paymentsEarned
      const made = { domain, signer: payer.identity, books: store.paymentsMade }
      const mine = await Payer.open(made, limits)
      const theirs = await Payee.open({ domain, signer: provider, books, now: () => timestamp }, limits)
      const { redeemedWei } = await readChannel(payer, { payer: payer.identity.address, payee })
      await mine.setChannel(payee, terms)
      await theirs.setChannel(payer.identity.address, { ...terms, redeemedWei })
      expect(theirs.due(policy, true)).toEqual([])
      for (const n of [1, 2, 3]) {
        const job = { jobId: bytes(10 * session + n), model: bytes(1), input: bytes(2), terms: bytes(3) }
        await mine.begin(channelId, { ...job, maxPriceWei: price })
        theirs.admit(channelId, { ...job, maxPriceWei: price })
        const work = { ...job, output: bytes(4), units: 1, priceWei: price }
        await theirs.accept(await mine.receive(await theirs.issue(channelId, work)))
        expect(await theirs.mayRelease(channelId, job.jobId)).toBe(true)
        await mine.deliver(channelId, job.jobId, bytes(4))
        theirs.acknowledge(channelId, job.jobId)
      }
      const due = theirs.due(policy)
      expect(due.map(({ reason, dueWei }) => [reason, dueWei])).toEqual([['threshold', 3n * price]])
      const redeemed = await redeemVouchers(seller, {
        payee,
        vouchers: due.map(({ voucher: each }) => each),
      })
      paidWei += redeemed.paidWei
      await store.close()
    }
    expect(paidWei).toBe(6n * price)
    expect((await readChannel(payer, { payer: payer.identity.address, payee })).redeemedWei).toBe(6n * price)
    await rm(directory, { recursive: true, force: true })
  })

  it('redeems what is due of the others where one channel cannot be read', { timeout: 120_000 }, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'plumbline-unread-'))
    const store = await openStore(directory)
    let unread: string | undefined
    const proxy = await startProxy(dev.rpcUrl, async (method, params, pass) =>
      method === 'eth_call' && unread !== undefined && JSON.stringify(params).includes(unread)
        ? JSON.stringify({ jsonrpc: '2.0', id: 1, error: { code: -32000, message: 'header not found' } })
        : pass(),
    )
    const hot = await fundedChain(dev, { rpcUrls: [proxy.url] })
    const { identity } = hot
    const domain = paymentDomain(payer.chainId, channelsContract(payer))
    const { timestamp } = await payer.clock()
    const payee = await Payee.open(
      { domain, signer: identity, books: store.paymentsEarned, now: () => timestamp },
      { exposureWei: DEPOSIT, maxJobs: 8, leastRemainingSeconds: 10 },
    )
    const keeper = new ChannelKeeper(
      {
        policy: { thresholdWei: 1n, beforeEndSeconds: 30, leastWei: 0n },
        ...{ leastDepositWei: 1000n, maxChannels: 3, ...KEEPING },
      },
      { chain: hot, payee, address: identity.address, retired: new RetiredOpenings(store.retiredOpenings) },
    )
    const amountWei = 200_000n * 10n ** 9n
    const clients = [await fundedChain(dev), await fundedChain(dev)] as const
    for (const client of clients) {
      await openChannel(client, {
        payee: identity.address,
        depositWei: DEPOSIT,
        endsAt: await inADay(client),
      })
      const { channelId } = await keeper.adopt(client.identity.address)
      const content = { channelId, amountWei, receipts: 0, receiptsHead: new Uint8Array(32) }
      await payee.accept(signVoucher(domain, content, client.identity))
    }
    unread = clients[0].identity.address.slice(2).toLowerCase()
    const { redeemed } = await keeper.round()
    const { channelId } = payee.accounts().find((each) => each.payer === clients[1].identity.address) ?? {}
    expect(redeemed?.redemptions.map((each) => hexToBytes(each.channelId))).toEqual([channelId])
    unread = undefined
    expect((await keeper.round()).redeemed?.paidWei).toBe(amountWei)
    await hot.close()
    proxy.server.close()
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })

  it('keeps the ledger in step with the chain, and redeems all that is due at once', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'plumbline-keeper-'))
    const store = await openStore(directory)
    const hot = await fundedChain(dev)
    const address = hot.identity.address
    const domain = paymentDomain(payer.chainId, channelsContract(payer))
    const limits = { exposureWei: DEPOSIT, maxJobs: 8, leastRemainingSeconds: 10 }
    const { timestamp } = await payer.clock()
    const signer = hot.identity
    const payee = await Payee.open(
      { domain, signer, books: store.paymentsEarned, now: () => timestamp },
      limits,
    )
    const gwei = 10n ** 9n
    const policy = { thresholdWei: 100_000n * gwei, beforeEndSeconds: 30, leastWei: 0n }
    const keeper = new ChannelKeeper(
      { policy, leastDepositWei: 1000n, maxChannels: 3, ...KEEPING },
      { chain: hot, payee, address, retired: new RetiredOpenings(store.retiredOpenings) },
    )
    await expect(keeper.adopt(stranger.identity.address)).rejects.toMatchObject({ code: 'NOT_FOUND' })
    const clients = [await fundedChain(dev), await fundedChain(dev), await fundedChain(dev)] as const
    const openAs = async (chain: Chain, depositWei = DEPOSIT) =>
      openChannel(chain, { payee: address, depositWei, endsAt: await inADay(chain) })
    /** One voucher for so much, ahead of any job. */
    const pay = async (chain: Funded, amountWei: bigint) => {
      const { channelId } = await keeper.adopt(chain.identity.address)
      const content = { channelId, amountWei, receipts: 0, receiptsHead: new Uint8Array(32) }
      await payee.accept(signVoucher(domain, content, chain.identity))
    }
    for (const chain of clients) await openAs(chain)
    await pay(clients[0], 200_000n * gwei)
    await pay(clients[1], 300_000n * gwei)
    await pay(clients[2], 50n) // below its gas
    const { redeemed } = await keeper.round()
    expect(redeemed?.transactions).toHaveLength(1)
    expect(redeemed?.paidWei).toBe(500_000n * gwei)
    expect(await keeper.round()).toEqual({ redeemed: undefined, over: [] })
    // Nor when the provider stops.
    expect((await keeper.round(true)).redeemed).toBeUndefined()

    // Topped up, and on its way out.
    await topUpChannel(clients[0], { payee: address, amountWei: DEPOSIT })
    await requestChannelClose(clients[1], { payer: clients[1].identity.address, payee: address })
    const slow = await openChain({
      rpcUrls: [dev.rpcUrl],
      deployment: dev.deployment,
      identity: signer,
      confirmations: 1000,
    })
    const patient = new ChannelKeeper(
      { policy, leastDepositWei: 1000n, maxChannels: 3, ...KEEPING },
      { chain: slow, payee, address, retired: new RetiredOpenings(store.retiredOpenings) },
    )
    const areComing = () =>
      Promise.all([...clients, stranger].map(({ identity }) => patient.isMoreComing(identity.address)))
    expect(await areComing()).toEqual([true, false, false, false])
    await keeper.round()
    expect(await areComing()).toEqual([false, false, false, false])
    await slow.close()
    const byPayer = (chain: Funded) =>
      payee.accounts().filter((account) => account.payer === chain.identity.address)
    expect(byPayer(clients[0])[0]?.depositWei).toBe(2n * DEPOSIT)
    expect(byPayer(clients[1])[0]?.endsAt).toBeLessThan(timestamp + DAY - 1000)
    await expect(openAs(stranger, 999n).then(() => keeper.adopt(stranger.identity.address))).rejects.toThrow(
      /^the deposit is too small: have 0\.0+999 ETH, need 0\.0+1 ETH$/,
    )
    await topUpChannel(stranger, { payee: address, amountWei: DEPOSIT })
    await expect(keeper.adopt(stranger.identity.address)).rejects.toMatchObject({ code: 'BUSY' })

    // Closed and opened again: the former opening is over, the new one another account.
    await closeChannel(hot, { payer: clients[1].identity.address, payee: address })
    await openAs(clients[1])
    const { over } = await keeper.round()
    expect(over.map(({ payer: who, nonce }) => [who, nonce])).toEqual([[clients[1].identity.address, 1]])
    for (const { channelId } of over) await payee.forget(channelId)
    expect((await keeper.adopt(clients[1].identity.address)).nonce).toBe(2)
    expect(byPayer(clients[1]).map(({ nonce, redeemedWei }) => [nonce, redeemedWei])).toEqual([[2, 0n]])
    for (const chain of [hot, ...clients]) await chain.close()
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })

  it('forgets what is over, whoever closes it, and never begins the receipts of an opening anew', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'plumbline-over-'))
    const store = await openStore(directory)
    const hot = await fundedChain(dev)
    const address = hot.identity.address
    const domain = paymentDomain(payer.chainId, channelsContract(payer))
    let now = (await hot.clock()).timestamp
    const limits = { exposureWei: DEPOSIT, maxJobs: 8, leastRemainingSeconds: 10 }
    const ledger = { domain, signer: hot.identity, books: store.paymentsEarned, now: () => now }
    const payee = await Payee.open(ledger, limits)
    const gwei = 10n ** 9n
    const policy = { thresholdWei: DEPOSIT, beforeEndSeconds: 30, leastWei: 0n }
    const retired = new RetiredOpenings(store.retiredOpenings)
    const keeper = new ChannelKeeper(
      { policy, leastDepositWei: 1000n, maxChannels: 3, ...KEEPING },
      { chain: hot, payee, address, retired },
    )
    const clients = await Promise.all([0, 1, 2, 3].map(() => fundedChain(dev)))
    const [idle, dust, rich, late] = clients as [Funded, Funded, Funded, Funded]
    const openAs = async (chain: Chain) =>
      openChannel(chain, { payee: address, depositWei: DEPOSIT, endsAt: await inADay(chain) })
    /** A job that is done, and paid by a voucher. */
    const buy = async (chain: Funded, priceWei: bigint) => {
      const { channelId, issued } = await keeper.adopt(chain.identity.address)
      const bytes = (value: number) => new Uint8Array(32).fill(value)
      const job = { jobId: bytes(issued + 1), model: bytes(1), input: bytes(2), terms: bytes(3) }
      payee.admit(channelId, { ...job, maxPriceWei: priceWei })
      await payee.issue(channelId, { ...job, output: bytes(4), units: 1, priceWei })
      const { head, totalWei } = payee.account(channelId)
      const content = { channelId, amountWei: totalWei, receipts: issued + 1, receiptsHead: head }
      await payee.accept(signVoucher(domain, content, chain.identity))
      payee.acknowledge(channelId, job.jobId)
    }
    const later = async (seconds: number) => {
      await dev.increaseTime(seconds)
      now = (await hot.clock()).timestamp
    }
    const known = () => payee.accounts().map(({ payer: who, nonce }) => [who, nonce])
    const entryOf = (chain: Funded, nonce = 1) => [chain.identity.address, nonce]

    for (const chain of clients) await openAs(chain)
    await keeper.adopt(idle.identity.address)
    await buy(dust, 7n)
    await buy(rich, 900_000n * gwei)
    // Whoever bought nothing makes room for whoever does, and comes back as it was; then everybody bought something.
    await buy(late, 5n)
    expect(known()).toEqual([dust, rich, late].map((chain) => entryOf(chain)))
    await expect(keeper.adopt(idle.identity.address)).rejects.toMatchObject({ code: 'BUSY' })

    // Nobody closes anything. What is worth its gas is redeemed after the end, too; receipts outlive it by the audit window.
    await later(DAY + 1)
    const { over, redeemed } = await keeper.round()
    expect(redeemed?.paidWei).toBe(900_000n * gwei)
    const small = [dust, late].map(({ identity }) => identity.address)
    expect(over.map(({ payer: who }) => who).sort()).toEqual(small.sort())
    expect(known()).toHaveLength(3)
    await later(7 * DAY)
    await keeper.round()
    expect(known()).toEqual([])

    // A later end brings nothing back: its receipts would begin anew.
    await topUpChannel(dust, { payee: address, endsAt: await inADay(dust), amountWei: 0n })
    await expect(keeper.adopt(dust.identity.address)).rejects.toMatchObject({
      code: 'DENIED',
      message: 'this channel was over, and what was bought in it is done with',
    })
    // Another opening is another matter, until there are too many to keep.
    for (const nonce of [2, 3]) {
      await closeChannel(hot, { payer: dust.identity.address, payee: address })
      await openAs(dust)
      await buy(dust, 7n)
      expect(known()).toContainEqual(entryOf(dust, nonce))
    }
    await closeChannel(hot, { payer: dust.identity.address, payee: address })
    await openAs(dust)
    await expect(keeper.adopt(dust.identity.address)).rejects.toThrow(/^channels of this client: 2 of 2$/)
    // One that was never used is forgotten when it ends, without a trace.
    await openAs(stranger).then(() => keeper.adopt(stranger.identity.address))
    await later(DAY + 1)
    await keeper.round()
    expect(known()).toEqual([entryOf(dust, 2), entryOf(dust, 3)])
    expect(store.retiredOpenings.count).toBe(2)
    for (const chain of [hot, ...clients]) await chain.close()
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })

  it('sells nothing over a channel that was closed while it was away, nor fails by one of a former contract', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'plumbline-away-'))
    const store = await openStore(directory)
    const hot = await fundedChain(dev)
    const [leaving, staying] = [await fundedChain(dev), await fundedChain(dev)]
    const address = hot.identity.address
    const here = paymentDomain(payer.chainId, channelsContract(payer))
    const now = (await hot.clock()).timestamp
    const limits = { exposureWei: DEPOSIT, maxJobs: 8, leastRemainingSeconds: 10 }
    const openLedger = (domain: typeof here) =>
      Payee.open({ domain, signer: hot.identity, books: store.paymentsEarned, now: () => now }, limits)
    const keeperOf = (payee: Payee) =>
      new ChannelKeeper(
        {
          policy: { thresholdWei: DEPOSIT / 10n, beforeEndSeconds: 30, leastWei: 0n },
          ...{ leastDepositWei: 1000n, maxChannels: 8 },
          ...KEEPING,
        },
        { chain: hot, payee, address, retired: new RetiredOpenings(store.retiredOpenings) },
      )
    const bytes = (value: number) => new Uint8Array(32).fill(value)
    const job = (n: number) => ({ jobId: bytes(n), model: bytes(1), input: bytes(2), terms: bytes(3) })
    const paying = (account: {
      channelId: Uint8Array
      issued: number
      head: Uint8Array
      totalWei: bigint
    }) => ({
      channelId: account.channelId,
      amountWei: account.totalWei,
      receipts: account.issued,
      receiptsHead: account.head,
    })
    // Of a former contract, and due: nothing that this chain could pay.
    const former = paymentDomain(payer.chainId, stranger.identity.address)
    const old = await openLedger(former)
    await old.setChannel(stranger.identity.address, {
      ...{ channelId: bytes(9), nonce: 1, depositWei: DEPOSIT, endsAt: now + DAY },
    })
    const worth = { channelId: bytes(9), amountWei: DEPOSIT, receipts: 0, receiptsHead: new Uint8Array(32) }
    await old.accept(signVoucher(former, worth, stranger.identity))

    let payee = await openLedger(here)
    const price = DEPOSIT / 5n
    for (const client of [leaving, staying]) {
      await openChannel(client, { payee: address, depositWei: DEPOSIT, endsAt: await inADay(client) })
      const { channelId } = await keeperOf(payee).adopt(client.identity.address)
      payee.admit(channelId, { ...job(1), maxPriceWei: price })
      await payee.issue(channelId, { ...job(1), output: bytes(4), units: 1, priceWei: price })
      await payee.accept(signVoucher(here, paying(payee.account(channelId)), client.identity))
      payee.acknowledge(channelId, bytes(1))
    }
    expect((await keeperOf(payee).round()).redeemed?.paidWei).toBe(2n * price)
    const [left, stays] = payee.accounts().filter(({ payer: who }) => who !== stranger.identity.address)
    if (left === undefined || stays === undefined) throw new Error('no channels')

    // It stops, and a client asks for the end and closes.
    await requestChannelClose(leaving, { payer: leaving.identity.address, payee: address })
    await dev.increaseTime(DEVELOPMENT_TERMS.channelChallengeSeconds + 60)
    await closeChannel(leaving, { payer: leaving.identity.address, payee: address })
    payee = await openLedger(here)
    await keeperOf(payee).follow()
    const refused = (message: RegExp) => expect.objectContaining({ message: expect.stringMatching(message) })
    expect(() => payee.admit(left.channelId, { ...job(2), maxPriceWei: 1n })).toThrow(
      refused(/ends too soon|underfunded/) as never,
    )
    await expect(
      payee.accept(signVoucher(here, { ...paying(left), amountWei: price + 1n }, leaving.identity)),
    ).rejects.toMatchObject({ code: 'DENIED' })
    // Its receipts are there for auditors.
    expect(await payee.receipts(left.channelId, 1, 10)).toHaveLength(1)
    payee.admit(stays.channelId, { ...job(2), maxPriceWei: price })
    expect(await keeperOf(payee).round()).toMatchObject({ redeemed: undefined, over: [{ nonce: 1 }] })
    for (const chain of [hot, leaving, staying]) await chain.close()
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })

  it('names the channels that a chain which went back does not have any more', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'plumbline-unseen-'))
    const store = await openStore(directory)
    const [hot, client, idle] = [await fundedChain(dev), await fundedChain(dev), await fundedChain(dev)]
    const { identity } = hot
    const domain = paymentDomain(payer.chainId, channelsContract(payer))
    const { timestamp } = await hot.clock()
    const payee = await Payee.open(
      { domain, signer: identity, books: store.paymentsEarned, now: () => timestamp },
      { exposureWei: DEPOSIT, maxJobs: 8, leastRemainingSeconds: 10 },
    )
    const policy = { thresholdWei: DEPOSIT, beforeEndSeconds: 30, leastWei: 0n }
    const keeper = new ChannelKeeper(
      { policy, leastDepositWei: 1000n, maxChannels: 8, ...KEEPING },
      { chain: hot, payee, address: identity.address, retired: new RetiredOpenings(store.retiredOpenings) },
    )
    const test = testClientOf(dev.rpcUrl)
    const before = await test.snapshot()
    for (const each of [client, idle]) {
      await openChannel(each, {
        payee: identity.address,
        depositWei: DEPOSIT,
        endsAt: await inADay(each),
      })
      await keeper.adopt(each.identity.address)
    }
    const [paid] = payee.accounts().filter((each) => each.payer === client.identity.address)
    if (paid === undefined) throw new Error('no channel')
    const amountWei = 30_000n * 10n ** 9n
    const content = { channelId: paid.channelId, amountWei, receipts: 0, receiptsHead: new Uint8Array(32) }
    await payee.accept(signVoucher(domain, content, client.identity))
    await keeper.round()
    expect([keeper.unseen, unseenProblem(keeper.unseen)]).toEqual([[], undefined])

    await test.revert({ id: before })
    expect((await keeper.round()).redeemed).toBeUndefined()
    expect(keeper.unseen.map(({ channelId }) => channelId)).toEqual([paid.channelId])
    expect(unseenProblem(keeper.unseen)).toMatch(
      /^1 channel is not on this chain any more: .*; 0\.00003 ETH of vouchers cannot be redeemed$/,
    )
    for (const each of [hot, client, idle]) await each.close()
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })

  it('is refused kindly where the addresses file is older than the contract', async () => {
    const { paymentChannels: _, ...older } = dev.deployment.contracts
    const deployment = parseDeployment(JSON.stringify({ ...dev.deployment, contracts: older }), 'the file')
    const chain = await openChain({ rpcUrls: [dev.rpcUrl], deployment })
    expect(chain.terms.channelChallengeSeconds).toBe(0)
    await expect(
      readChannel(chain, { payer: payer.identity.address, payee: provider.address }),
    ).rejects.toMatchObject({ code: 'UNAVAILABLE', message: 'this deployment has no payment channels' })
    await chain.close()
  })
})
