
Bx3Jr0ºy.