/**
 * The key file as commands see it. Ours carry the peer id beside the address, so that it can be shown without the
 * passphrase; other wallets ignore the extra field.
 */
import { lstat } from 'node:fs/promises'
import { parseAddress } from '../crypto/address.js'
import { type Address, addressOfPublicKey, type Identity, publicKeyOfPeerId } from '../crypto/identity.js'
import { encryptKeystore, SCRYPT_LIGHT_COST, SCRYPT_STANDARD_COST } from '../crypto/keystore.js'
import { readKeystoreText, writeKeystoreFile } from '../crypto/keystore-file.js'
import { parseKeystore } from '../crypto/keystore-schema.js'

export type KeyCost = 'standard' | 'light'

/** Writes a new key file, mode 0600. @throws UserError EXISTS; nothing is ever overwritten */
export async function createKeyFile(
  path: string,
  identity: Identity,
  passphrase: string,
  cost: KeyCost,
): Promise<void> {
  const scryptCost = cost === 'light' ? SCRYPT_LIGHT_COST : SCRYPT_STANDARD_COST
  const keystore = await encryptKeystore(identity, passphrase, { scryptCost })
  const withPeerId = { ...keystore, peerId: identity.peerId }
  await writeKeystoreFile(path, withPeerId)
}

export interface KeyFileInfo {
  readonly path: string
  /** undefined where another wallet left it out. */
  readonly address: Address | undefined
  /** undefined in files that are not ours. */
  readonly peerId: string | undefined
}

/** What a key file says without its passphrase. @throws UserError NOT_FOUND, BAD_KEY */
export async function readKeyFileInfo(path: string): Promise<KeyFileInfo> {
  const text = await readKeystoreText(path)
  const { address: digits } = parseKeystore(text)
  const address = digits === undefined ? undefined : parseAddress(`0x${digits}`)
  const { peerId } = JSON.parse(text) as { readonly peerId?: unknown }
  return { path, address, peerId: isPeerIdOf(peerId, address) ? peerId : undefined }
}

/** The field is only a note: it counts where it is the id of the key whose address the file names. */
function isPeerIdOf(peerId: unknown, address: Address | undefined): peerId is string {
  if (typeof peerId !== 'string') return false
  try {
    return addressOfPublicKey(publicKeyOfPeerId(peerId)) === address
  } catch {
    return false
  }
}

/** Whether there is anything at `path`. */
export async function fileExists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  )
}
