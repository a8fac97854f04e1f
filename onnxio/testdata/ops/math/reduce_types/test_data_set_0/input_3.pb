
Bx2_0JÎIG6ÒìLJPÊÊuJ‡GêÉxÎŸÓJQ