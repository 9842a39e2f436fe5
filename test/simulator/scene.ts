/** One challenge's surroundings: the link, the paths to the members, and what the protocol was told to do. */
import { PACKET_BITS, RHO } from '../../src/pob/constants.js'
import type { Link } from './link.js'
import type { Random } from './random.js'

export interface Path {
  readonly forwardSeconds: number
  readonly returnSeconds: number
  /** What this member's clock shows beyond the true time. */
  readonly clockOffsetSeconds: number
}

export interface Scene {
  readonly link: Link
  readonly tauSeconds: number
  readonly claimBps: number
  readonly faulty: number
  readonly teamSize: number
  readonly teams: number
  /** By member, team after team. */
  readonly paths: readonly Path[]
}

export interface SceneRange {
  readonly tauSeconds: number
  readonly faulty: number
  readonly teamSize: number
  readonly teams: number
  readonly rttSeconds: readonly [number, number]
  /** Claim over theta. */
  readonly claim: readonly [number, number]
  /** Burst over theta tau. */
  readonly burst: readonly [number, number]
  /** Buffer as a time at theta. */
  readonly bufferSeconds: readonly [number, number]
  readonly thetaBps?: readonly [number, number]
}

/** Slow links keep a run short; rates scale, packets stay whole. */
const THETA_BPS = [8e6, 30e6] as const
const MAX_CLOCK_OFFSET_SECONDS = 0.1

export function drawScene(range: SceneRange, random: Random): Scene {
  const [low, high] = range.thetaBps ?? THETA_BPS
  const thetaBps = random.between(low, high)
  const path = (): Path => {
    const rtt = random.between(...range.rttSeconds)
    const share = random.between(0.2, 0.8)
    return {
      forwardSeconds: rtt * share,
      returnSeconds: rtt * (1 - share),
      clockOffsetSeconds: random.between(-MAX_CLOCK_OFFSET_SECONDS, MAX_CLOCK_OFFSET_SECONDS),
    }
  }
  return {
    link: {
      thetaBps,
      burstBits: Math.max(PACKET_BITS, random.between(...range.burst) * thetaBps * range.tauSeconds),
      bufferBits: Math.max(4 * PACKET_BITS, random.between(...range.bufferSeconds) * thetaBps),
    },
    tauSeconds: range.tauSeconds,
    claimBps: thetaBps * random.between(...range.claim),
    faulty: range.faulty,
    teamSize: range.teamSize,
    teams: range.teams,
    paths: Array.from({ length: range.teams * range.teamSize }, path),
  }
}

export function rttOf({ forwardSeconds, returnSeconds }: Path): number {
  return forwardSeconds + returnSeconds
}

export function memberRateBps({ claimBps, teamSize }: Scene): number {
  return (RHO * claimBps) / teamSize
}

/** Packets each member sends in a slot. */
export function packetsOf(scene: Scene): number {
  return Math.ceil((memberRateBps(scene) * scene.tauSeconds) / PACKET_BITS)
}

/** What no rule may exceed: theta + b / (0.8 tau). */
export function boundBps({ link, tauSeconds }: Scene): number {
  return link.thetaBps + link.burstBits / (0.8 * tauSeconds)
}
