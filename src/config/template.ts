/** The commented configuration file that `plumbline init` writes. A test keeps it complete and equal to the defaults. */
import { open } from 'node:fs/promises'
import { UserError } from '../errors.js'
import { DEFAULTS } from './defaults.js'
import type { Role } from './schema.js'

export interface TemplateOptions {
  readonly roles?: readonly Role[]
  readonly claimMbps?: number
  readonly uplinkMbps?: number
}

/** A set line, or a commented one that shows how the field would be set. */
const field = (name: string, value: number | undefined, example: number): string =>
  value === undefined ? `# ${name}: ${example}` : `${name}: ${value}`

export function configTemplate(options: TemplateOptions = {}): string {
  const { network, dataPlane, challenger, prover, inference, beacon, logging, metrics } = DEFAULTS
  const { provider, client } = inference
  return `# plumbline's configuration. Commented lines show what may be set. Command-line flags win over environment
# variables (PLUMBLINE_NETWORK_LISTEN and so on), these over this file, and this file over the defaults.

# Where keys and state live; ~/.plumbline unless set by --data-dir or PLUMBLINE_DATA_DIR.
# dataDir: ~/.plumbline

# What this node does: prover, challenger, provider, auditor, coordinator, payer.
roles: [${(options.roles ?? []).join(', ')}]

network:
  # Where the control plane listens. A prover behind NAT may use [] and live behind a relay.
  listen: [${network.listen.join(', ')}]
  # Addresses to tell others where the outside ones differ, e.g. /ip4/203.0.113.7/tcp/4021
  announce: []
  # Peers to join by, e.g. /ip4/203.0.113.7/tcp/4021/p2p/16Uiu2...
  bootstrap: []
  # Relays for a node that nobody can dial, written like bootstrap.
  relays: []
  # Carry control traffic for others (never data).
  enableRelayServer: ${network.enableRelayServer}
  # Connections kept open at most.
  maxPeers: ${network.maxPeers}

dataPlane:
  # auto takes native where its self-test passes, otherwise dgram.
  backend: ${dataPlane.backend}
  # The address UDP sockets bind to.
  host: ${dataPlane.host}
  # A challenger's public UDP port (a prover needs none).
  udpPort: ${dataPlane.udpPort}

challenger:
  # What this line can send, Mbit/s: what it keeps up, not what it is sold as. Needed by the role challenger.
  ${field('uplinkMbps', options.uplinkMbps, 100)}
  # Who runs this node: at most one member per operator serves in a committee.
  # operator: example.org
  # Challenges served at once; they share the uplink.
  maxConcurrentSlots: ${challenger.maxConcurrentSlots}

prover:
  # What this line is said to receive, Mbit/s. Needed by the role prover.
  ${field('claimMbps', options.claimMbps, 250)}
  # The highest claim accepted in a request; bounds the data that a challenge can move. Twice claimMbps unless set.
  # maxClaimMbps: 500
  # Who may ask for challenges: peer ids or addresses; empty means anybody.
  allowList: []
  # Decline challenges that would exceed this in a calendar month, both directions.
  # dataCapGiBPerMonth: 100
  # Decline challenges in these hours of local time, e.g. ["22:00-06:00"].
  quietHours: []
  # Between two accepted challenges, at least.
  minIntervalSeconds: ${prover.minIntervalSeconds}

inference:
  provider:
    # Models of the catalogue that are sold, each with its price a unit: an audio-second, or 1,000 characters of text.
    # Anything above 0 wei needs a chain, where clients open payment channels. E.g. ["asr-small=2000 gwei"]
    models: []
    upstream:
      # An OpenAI-compatible server behind this node, whose models are sold as well. Nobody can run its jobs again, so that
      # they are offered as unaudited, and clients take them only where they said so. E.g. http://10.0.0.5:8000/v1
      # url: http://10.0.0.5:8000/v1
      # A file whose first line is the API key for it (chmod 600).
      # keyFile: upstream.key
      # Its models that are sold, each with its price a unit, e.g. ["openai/whisper-large-v3=2000 gwei"], and what they are
      # for where its list has only names, e.g. ["openai/whisper-large-v3=transcribe"].
      models: []
      tasks: []
    # Work of models for non-commercial use is not sold, unless you say in these words that you may.
    # nonCommercial: I have the right to sell what these models make
    # Memory and processor threads that models may take; half of the machine, and all of them, unless set.
    # memoryGiB: 4
    # threads: 2
    # Jobs that run at once, that wait, and how long one may take, waiting included.
    parallel: ${provider.parallel}
    queue: ${provider.queue}
    deadlineSeconds: ${provider.deadlineSeconds}
    # Peer ids of auditors that may hear jobs which the beacon drew, beside challengers with a seat on the chain.
    auditors: []
    # What one client may owe: all that it can cost by leaving.
    clientExposure: ${provider.clientExposure}
    # Channels with a smaller deposit are refused.
    leastDeposit: ${provider.leastDeposit}
    # Vouchers are redeemed once they are worth so much, and so long before their channel ends.
    redeemAt: ${provider.redeemAt}
    redeemBeforeEndSeconds: ${provider.redeemBeforeEndSeconds}
  # Memory that models may take which are run with --local: one of a command, all of a gateway together. Unless set a
  # command's may take what it needs and some to spare, a gateway's half of the machine.
  # localMemoryGiB: 4
  client:
    # Without --model: whether a model that nobody here knows will do, where none that is known here is offered.
    anyModel: ${client.anyModel}
    # Dearer jobs are refused before anything is sent.
    # maxPrice: 0.0001 ETH
    # What one provider may hold without having delivered: all that it can cost.
    exposure: ${client.exposure}
    # What all jobs of any 24 hours may cost together.
    dailyBudget: ${client.dailyBudget}
    # Locked in a channel with a provider, and for how long; the rest comes back ("plumbline channels").
    deposit: ${client.deposit}
    channelDays: ${client.channelDays}
    # What deposits may be together that nobody was paid from yet. Unless set ten of them.
    # mostLocked: 0.1 ETH
    # Whether jobs that are paid for may be audited: this node keeps them for a day and runs a twentieth again, and
    # auditors may hear that twentieth, too. false: nobody does, and nothing is kept.
    audit: ${client.audit}
    # Whether what a server behind a provider runs is bought as well: no audit can judge what it answers.
    allowUnaudited: ${client.allowUnaudited}
    # Whose findings about providers count beside this node's own: peer ids of auditors that you trust.
    auditors: []

registry:
  # The signed list of challenge servers, where no chain is used.
  # path: registry.json
  # Whose list alone is taken: peer id or address. Anybody's unless set.
  # publisher: "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"

beacon:
  # drand (public randomness, verified here) or local (a key you trust: tests and laboratories).
  kind: ${beacon.kind}
  urls: [${beacon.urls.join(', ')}]
  # The parameters of drand's quicknet are built in; another beacon needs these four.
  # chainHash: "${beacon.chainHash}"
  # publicKey: "${beacon.publicKey}"
  # genesisTimeSeconds: ${beacon.genesisTimeSeconds}
  # periodSeconds: ${beacon.periodSeconds}

chain:
  # JSON-RPC servers of the chain that settles, asked in this order, e.g. [https://rpc.example.org, http://127.0.0.1:8545]
  rpcUrls: []
  # Refuse servers of any other chain.
  # chainId: 1
  # The contracts' addresses file; deployments/<chain id>.json in the data directory unless set.
  # addresses: deployments/1.json
  # Pay at most this for a unit of gas; a transaction waits rather than cost more.
  # maxFeePerGasGwei: 50
  # Blocks until a transaction counts as done; 3, or 1 on a development chain, unless set.
  # confirmations: 3

logging:
  # silent, error, warn, info, debug, trace
  level: ${logging.level}
  # pretty for people, json for collectors
  format: ${logging.format}

metrics:
  # Prometheus metrics over HTTP; off, or a port such as 9464.
  host: ${metrics.host}
  port: ${metrics.port}
`
}

/** Writes a new configuration file, mode 0600. @throws UserError EXISTS where there is one. */
export async function writeConfigTemplate(path: string, options: TemplateOptions = {}): Promise<void> {
  const handle = await open(path, 'wx', 0o600).catch((cause: unknown) => {
    if (cause instanceof Error && 'code' in cause && cause.code === 'EEXIST')
      throw new UserError(`${path} exists`, {
        code: 'EXISTS',
        remedy: 'edit it, or move it away first',
        cause,
      })
    throw cause
  })
  try {
    await handle.writeFile(configTemplate(options))
    await handle.sync()
  } finally {
    await handle.close()
  }
}
