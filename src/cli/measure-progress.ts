/** A challenge as it happens, for a person: phases, then a bar and a value for every slot. */
import { formatEther } from '../chain/ether.js'
import type { ProgressEvent } from '../roles/coordinator.js'
import { formatBytes, formatDuration, formatMbps, formatMs, labelled, plural } from './format.js'
import { atLayer, type Layer } from './layer.js'
import { bar, type Progress } from './progress.js'

const LABEL_WIDTH = 11
const BAR_WIDTH = 32
/** A slot's bar is full at what is offered: 1.2 x the claim. */
const OFFERED_SHARE = 1.2
/** Arming, drain and the capture's way back, on top of the train. */
const SLOT_OVERHEAD_MS = 450

export interface ProgressContext {
  readonly claimMbps: number
  readonly layer: Layer
}

/** Transactions of a challenge, in words. */
const STEPS: Readonly<Record<string, string>> = {
  open: 'fee in escrow, bond bound',
  round: 'beacon round verified',
  committee: 'committee fixed by the contract',
  settle: 'result settled',
}

const row = (label: string, text: string): string => `  ${label.padEnd(LABEL_WIDTH)}${text}`

/** Turns progress events into lines; what the next phase waits for stands in the live line. */
export class MeasureProgress {
  readonly #progress: Progress
  readonly #context: ProgressContext
  #tauMs = 0
  #offeredMbps: number

  constructor(progress: Progress, context: ProgressContext) {
    this.#progress = progress
    this.#context = context
    this.#offeredMbps = context.claimMbps * OFFERED_SHARE
  }

  start(): void {
    this.#progress.live(() => row('request', 'asking the prover'))
  }

  on(event: ProgressEvent): void {
    switch (event.event) {
      case 'requested':
        this.#requested(event)
        break
      case 'chosen':
        this.#chosen(event)
        break
      case 'drawn':
        this.#drawn(event)
        break
      case 'paths':
        this.#paths(event)
        break
      case 'slot_started':
        this.#slotStarted(event)
        break
      case 'slot_ended':
        this.#slotEnded(event)
        break
      case 'step':
        this.#progress.live(() =>
          row(
            'available',
            `${formatMbps(atLayer(event.rateMbps, this.#context.layer))} delivered to ${(100 * event.deliveredShare).toFixed(1)} %`,
          ),
        )
        break
      case 'quoted':
        this.#line(
          'price',
          `${formatEther(BigInt(event.feeWei))} for the members and up to ${formatEther(BigInt(event.gasFeeWei))} for gas; ` +
            `you have ${formatEther(BigInt(event.haveWei))}`,
        )
        break
      case 'transaction':
        this.#transaction(event)
        break
      case 'fault':
        this.#line('fault', `${event.accused} is at fault (${event.kind}); the proof is ${event.path}`)
        break
      case 'voted':
        this.#line(
          'votes',
          `${plural(event.votes, 'member')} recomputed the same evidence (${event.needed} needed)`,
        )
        this.#progress.live(() => row('signatures', 'collecting'))
        break
      case 'signed':
        this.#line('signatures', `${event.signatures} under the result (${event.needed} needed)`)
    }
  }

  #transaction({ step, gasUsed, feeWei }: Extract<ProgressEvent, { event: 'transaction' }>): void {
    const what = STEPS[step] ?? step
    this.#line('chain', `${what}: ${gasUsed.toLocaleString('en')} gas, ${formatEther(BigInt(feeWei))}`)
    if (step === 'open')
      this.#progress.live(() => row('beacon', 'the named round draws the committee; waiting for it'))
  }

  /** A text without a bar; one that is too long goes on below itself. */
  #line(label: string, text: string): void {
    this.#progress.line(labelled(`  ${label}`, text, 2 + LABEL_WIDTH))
  }

  #requested(event: Extract<ProgressEvent, { event: 'requested' }>): void {
    const { round, waitSeconds, leastBytes, mostBytes } = event
    this.#line('request', 'accepted and signed by the prover')
    this.#line(
      'data',
      `about ${formatBytes(leastBytes)}; longer round trips and repeats may make it ${formatBytes(mostBytes)}`,
    )
    this.#progress.live((elapsedMs) => {
      const left = Math.max(0, waitSeconds - elapsedMs / 1000)
      return row('beacon', `round ${round} draws the committee; out in ${left.toFixed(1)} s`)
    })
  }

  #chosen(event: Extract<ProgressEvent, { event: 'chosen' }>): void {
    const { challengers, teams, teamSize, cleanTeams, pool, riskOfWrongGuarantee } = event
    this.#line(
      'strict',
      `${plural(teams, 'team')} of ${teamSize}: ${challengers} of ${pool} challengers; ${cleanTeams} teams are reckoned clean, ` +
        `with a risk of ${riskOfWrongGuarantee.toPrecision(2)} that fewer are`,
    )
  }

  #drawn(event: Extract<ProgressEvent, { event: 'drawn' }>): void {
    const { committee, teams, teamSize, memberRateMbps, allOn } = event
    this.#offeredMbps = memberRateMbps * teamSize
    const rate = formatMbps(atLayer(memberRateMbps, this.#context.layer))
    const shape = allOn
      ? `${plural(teamSize, 'member')} at once, ${rate} each`
      : `up to ${plural(teams, 'team')} of ${teamSize}, ${rate} each`
    this.#line('committee', `${plural(committee.length, 'challenger')} drawn: ${shape}`)
    this.#progress.live(() => row('paths', 'the prover opens a path to every member'))
  }

  #paths({ paths, tauMs }: Extract<ProgressEvent, { event: 'paths' }>): void {
    this.#tauMs = tauMs
    const rtts = paths.flatMap((path) => (path.ready === 1 ? [path.rttMicros / 1000] : []))
    const range =
      rtts.length === 0
        ? ''
        : `, round trips ${formatMs(Math.min(...rtts))} to ${formatMs(Math.max(...rtts))}`
    this.#line('paths', `${rtts.length} of ${paths.length} open${range}`)
    const unready = paths.find((path) => path.ready === 0)
    if (unready !== undefined)
      this.#line('', `not open: ${(unready.reason ?? 'no reason given').slice(0, 54)}`)
    this.#progress.live(() => row('plan', `slots of ${formatDuration(tauMs)} each`))
  }

  #slotStarted({ slot, attempt, of }: Extract<ProgressEvent, { event: 'slot_started' }>): void {
    const totalMs = this.#tauMs + SLOT_OVERHEAD_MS
    const again = attempt === 0 ? '' : ` (repeat ${attempt})`
    this.#progress.live((elapsedMs) =>
      row(`slot ${slot + 1}/${of}`, `${bar(elapsedMs / totalMs, BAR_WIDTH)} measuring${again}`),
    )
  }

  #slotEnded(event: Extract<ProgressEvent, { event: 'slot_ended' }>): void {
    const { slot, valueMbps, dirty, failed } = event
    const share = this.#offeredMbps === 0 ? 0 : valueMbps / this.#offeredMbps
    const remark = failed ? '  failed' : dirty ? '  late sender' : ''
    const value = formatMbps(atLayer(valueMbps, this.#context.layer)).padStart(13)
    this.#progress.line(row(`slot ${slot + 1}`, `${bar(share, BAR_WIDTH)} ${value}${remark}`))
    this.#progress.live(() => row('evidence', 'the members recompute and vote'))
  }
}
