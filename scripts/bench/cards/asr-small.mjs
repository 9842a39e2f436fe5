export async function writeAsrSmallCard() {}
