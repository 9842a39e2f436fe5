/** The proofs of faults that the laboratory's daemons have kept on their disks, opened and judged as anybody would. */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { bytesToHex } from '@noble/hashes/utils.js'
import { dataPaths } from '../config/paths.js'
import type { Address } from '../crypto/address.js'
import { UserError } from '../errors.js'
import { FAULT_PROOF_SUFFIX } from '../node/fault-files.js'
import { openFaultProof } from '../pob/fault-proof.js'

export interface HeldProof {
  /** Address of whoever keeps it. */
  readonly holder: Address
  /** Undefined where the file proves nothing. */
  readonly fault: { readonly kind: string; readonly accused: Address } | undefined
}

export interface FaultHolder {
  readonly address: Address
  readonly dataDir: string
}

/** Of one challenge, by all these daemons; a file that proves nothing is there as such. */
export async function readFaultFiles(
  holders: readonly FaultHolder[],
  challengeId: Uint8Array,
): Promise<HeldProof[]> {
  const prefix = `${bytesToHex(challengeId)}-`
  const found = await Promise.all(
    holders.map(async ({ address: holder, dataDir }) => {
      const folder = dataPaths(dataDir).faults
      const names = await readdir(folder).catch(() => [])
      const own = names.filter((name) => name.startsWith(prefix) && name.endsWith(FAULT_PROOF_SUFFIX))
      return Promise.all(
        own.map(async (name): Promise<HeldProof[]> => {
          const proven = faultsOf(await readFile(join(folder, name)))
          if (proven.length === 0) return [{ holder, fault: undefined }]
          return proven.map(({ kind, accused }) => ({ holder, fault: { kind, accused } }))
        }),
      )
    }),
  )
  return found.flat(2)
}

function faultsOf(content: Uint8Array) {
  try {
    return openFaultProof(content).faults
  } catch (error) {
    if (error instanceof UserError) return []
    throw error
  }
}
