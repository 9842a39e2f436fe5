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
