/** The laboratory's end of its chain: what chain-child.ts is started with and asked. */
import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ChannelParties } from '../chain/index.js'
import type { ChainAccount, ChainNode, ChainSpec, ChainVerdict, ChannelFigures } from './chain-child.js'
import { ChildCalls } from './child-calls.js'
import { type LabDaemon, type LabFiles, RPC_PORT } from './daemon-files.js'
import type { LabNetwork } from './network.js'

const CONTROL_PORT = 4021
/** Dispute window, keepers' turns and their transactions. */
const FINAL_WITHIN_MS = 40_000
const POLL_MS = 500

export function chainSpec(
  files: LabFiles,
  network: LabNetwork,
  { uplinkMbps }: { readonly uplinkMbps: number },
): ChainSpec {
  const { beacon, beaconSecretPath, addressesPath, passphraseFile, payer } = files
  const node = (
    { name, dataDir }: LabDaemon,
    host: string,
    at: { readonly address: string; readonly port: number },
    uplinkKbps: number,
  ): ChainNode => ({
    name,
    dataDir,
    host: at.address,
    udpPort: at.port,
    uplinkKbps,
    addresses: [`/ip4/${host}/tcp/${CONTROL_PORT}`],
  })
  const proverHost = network.host('prover-0').address
  return {
    host: network.host('beacon').address,
    port: RPC_PORT,
    beaconSecretPath,
    genesisTimeSeconds: beacon.genesisTimeSeconds,
    periodSeconds: beacon.periodSeconds,
    addressesPath,
    passphraseFile,
    challengers: files.challengers.map((daemon, i) =>
      node(
        daemon,
        network.host(`challenger-${i}`).address,
        network.challengerData(i).announce,
        Math.round(uplinkMbps * 1000),
      ),
    ),
    prover: node(files.prover, proverHost, { address: proverHost, port: 0 }, 0),
    payer: { name: payer.name, dataDir: payer.dataDir },
  }
}

export interface LabChain {
  /** The transcript against what the chain settled. */
  verify(path: string): Promise<ChainVerdict>
  /** Once the dispute window is over and everybody is paid. */
  finalAccount(challengeId: string): Promise<ChainAccount>
  /** Funds somebody who takes no part in challenges, and accounts for it from now on. */
  join(who: { readonly name: string; readonly dataDir: string }): Promise<void>
  channel(parties: ChannelParties): Promise<ChannelFigures>
}

export function labChain(child: ChildProcess): LabChain {
  const calls = new ChildCalls(child, 'chain')
  return {
    verify: (path) => calls.call<ChainVerdict>('verify', { path }),
    join: (who) => calls.call<void>('join', who),
    channel: (parties) => calls.call<ChannelFigures>('channel', parties),
    finalAccount: async (challengeId) => {
      const end = performance.now() + FINAL_WITHIN_MS
      for (;;) {
        const account = await calls.call<ChainAccount>('account', { challengeId })
        if (account.isFinal || performance.now() > end) return account
        await sleep(POLL_MS)
      }
    },
  }
}
