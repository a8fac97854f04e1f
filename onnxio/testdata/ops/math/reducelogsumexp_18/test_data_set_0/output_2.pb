By2J†
^@nV@BIY@ðmh@Ú’N@¸«V@