/** What `measure` can be asked. */
import { chainOptions } from './chain-options.js'
import { joinOptions, keyOptions } from './command.js'
import { layerOption } from './layer.js'
import { choice, flag, list, number, text } from './option.js'

const MAX_MBPS = 100_000
const MAX_COMMITTEE = 64
const MAX_ATTEMPTS = 10
const DEFAULT_FAULTY = 2
const PROFILES = ['quick', 'standard', 'strict', 'published'] as const

export const measurePositionals = {
  peer: text({
    summary: "The prover's peer id, or a multiaddr that ends with /p2p/<peer id>",
    required: true,
  }),
}

export const measureOptions = {
  claim: number({
    summary: 'The rate to test for; 1.2 times as much is offered',
    required: true,
    placeholder: 'Mbit/s',
    above: 0,
    max: MAX_MBPS,
  }),
  direction: choice(['down', 'up', 'both'], {
    summary: "What to measure; up is measured by echo: the lesser of both directions, by the members' word",
    default: 'down',
  }),
  'uplink-claim': number({
    summary: 'The rate to test the uplink for',
    placeholder: 'Mbit/s',
    above: 0,
    max: MAX_MBPS,
    defaultText: '--claim',
  }),
  profile: choice(PROFILES, { summary: 'How to measure', default: 'standard' }),
  challengers: number({
    summary: 'Challengers to draw',
    placeholder: 'n',
    integer: true,
    min: 1,
    max: MAX_COMMITTEE,
    defaultText: '10; strict: what its teams need',
  }),
  faulty: number({
    summary: 'Corrupt challengers to tolerate',
    placeholder: 'f',
    integer: true,
    min: 0,
    max: MAX_COMMITTEE,
    default: DEFAULT_FAULTY,
  }),
  teams: number({
    summary: 'strict: slots to run',
    placeholder: 'n',
    integer: true,
    min: 1,
    max: MAX_COMMITTEE,
    defaultText: 'chosen from beta, delta and the registry',
  }),
  beta: number({
    summary: 'strict: corrupt share of the registry',
    placeholder: '0..1',
    min: 0,
    max: 1,
    defaultText: '0.1',
  }),
  delta: number({
    summary: 'strict: accepted probability of a wrong guarantee',
    placeholder: '0..1',
    above: 0,
    max: 1,
    defaultText: '0.01',
  }),
  attempts: number({
    summary: 'strict: fresh challenges at most, of which the best guarantee stands; delta is split over them',
    placeholder: 'n',
    integer: true,
    min: 1,
    max: MAX_ATTEMPTS,
    defaultText: '1',
  }),
  available: flag('Look for the bandwidth that other traffic leaves, too: about 20 trains of half a second'),
  with: list({
    summary:
      'More provers, up to 8 in all: each is measured alone, then all at once, to see whether they share one link',
    placeholder: 'peer,...',
  }),
  layer: layerOption,
  out: text({
    summary: 'Where to put the transcript',
    completes: 'directory',
    defaultText: 'transcripts in the data directory',
  }),
  'on-chain': flag('Escrow and settle on the chain of the configuration; --rpc implies it'),
  'slot-fee': text({
    summary: 'On a chain: what each member that serves is paid',
    placeholder: 'amount',
    defaultText: 'the least that the contract takes',
  }),
  'max-price': text({
    summary: 'On a chain: refuse before paying where fee and gas may come to more (a bare number: ETH)',
    placeholder: 'amount',
    defaultText: 'no limit but the balance',
  }),
  yes: flag('On a chain: pay what it costs without asking'),
  'refund-to': text({
    summary: 'On a chain: the wallet that gets back what no member earned',
    placeholder: 'address',
    defaultText: 'your own address',
  }),
  every: text({
    summary: 'Measure again and again, so much time from one start to the next',
    placeholder: '30min|6h|1d',
  }),
  runs: number({
    summary: 'With --every: stop after so many',
    placeholder: 'n',
    integer: true,
    min: 1,
    max: 1_000_000,
    defaultText: 'no end',
  }),
  'data-cap': text({
    summary:
      'Measure only what is sure to fit this much challenge traffic in a calendar month, failed ones counted',
    placeholder: '5GiB',
  }),
  ...joinOptions,
  ...chainOptions,
  ...keyOptions,
}
