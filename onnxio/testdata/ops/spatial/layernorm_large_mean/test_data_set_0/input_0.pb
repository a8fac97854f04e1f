Bx0JH$zDùszD/zDïMzDA¾yDç¦yDM[zDd^zD° zDxzD£
zDõÓyDybzD+*zDa zDzDCzDR zD