/** Every default of the configuration, with its reason. */
import { bytesToHex } from '@noble/hashes/utils.js'
import { QUICKNET } from '../crypto/beacon.js'

/** The control plane's TCP port: unassigned by IANA, above the privileged ones. */
export const DEFAULT_TCP_PORT = 4021
/** A challenge server's data port: beside the control port, so one firewall rule `4021:4022` covers both. */
export const DEFAULT_UDP_PORT = 4022

export const DEFAULTS = {
  network: {
    /** All IPv4 interfaces: a daemon that only loopback can reach is a frequent surprise. */
    listen: [`/ip4/0.0.0.0/tcp/${DEFAULT_TCP_PORT}`],
    /** Relaying costs others' bandwidth: operators opt in. */
    enableRelayServer: false,
    /** About 60 KB each; a committee is 10, a DHT bucket 20. */
    maxPeers: 100,
  },
  dataPlane: {
    /** native where its self-test passes, otherwise dgram; the choice is logged. */
    backend: 'auto',
    host: '0.0.0.0',
    udpPort: DEFAULT_UDP_PORT,
  },
  challenger: {
    /** Two slots at once would share one uplink and spoil both. */
    maxConcurrentSlots: 1,
  },
  prover: {
    /** A test at 1 Gbit/s moves up to 150 MB: one a minute is as often as anybody needs one. */
    minIntervalSeconds: 60,
  },
  beacon: {
    kind: 'drand',
    /** Two operators, so that one outage does not stop challenges; every answer is verified. */
    urls: ['https://api.drand.sh', 'https://drand.cloudflare.com'],
    chainHash: bytesToHex(QUICKNET.chainHash),
    publicKey: bytesToHex(QUICKNET.publicKey),
    genesisTimeSeconds: QUICKNET.genesisTimeSeconds,
    periodSeconds: QUICKNET.periodSeconds,
  },
  inference: {
    provider: {
      /** Each job takes all threads of its model: side by side they would only take turns. */
      parallel: 1,
      /** Jobs that wait: some minutes of work on a small board. */
      queue: 32,
      deadlineSeconds: 300,
      /** What one client can cost that leaves without paying. */
      clientExposure: '0.001 ETH',
      /** Below, redeeming costs more than it brings. */
      leastDeposit: '0.001 ETH',
      redeemAt: '0.01 ETH',
      /** A quarter of the day that a leaving client gives notice. */
      redeemBeforeEndSeconds: 21_600,
    },
    client: {
      /** Whoever asks for the least chooses what runs, where anything will do. */
      anyModel: false,
      /** What one provider can cost that takes the money and sends nothing. */
      exposure: '0.001 ETH',
      deposit: '0.01 ETH',
      /** What an app that runs wild, or a stolen API key, costs in a day: seven hours of speech at 2,000 gwei a second. */
      dailyBudget: '0.05 ETH',
      channelDays: 30,
      /** Nobody else finds out who takes money for something else than the model's work. */
      audit: true,
      /** What nobody can run again, nobody can be caught with. */
      allowUnaudited: false,
    },
  },
  logging: {
    level: 'info',
    /** Collectors ask for json; a person who starts a daemon should not have to ask. */
    format: 'pretty',
  },
  metrics: {
    /** Figures about a home line are nobody else's business. */
    host: '127.0.0.1',
    port: 'off',
  },
} as const
